//! Other instances, with which the switch is shared.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use switch::etcd::Prefix;

use crate::cli::values::{instance, instance_ttl, prefix};

/// Other instances, with which the switch is shared.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several instances")]
pub struct Instances {
    /// Share the switch with other instances through this etcd; the URLs of its members, separated by commas [default: one instance]
    #[arg(long, env = "TEAL_ETCD", value_name = "URL,…", value_delimiter = ',')]
    pub etcd: Vec<String>,
    /// The prefix of the switch's keys in etcd; the same for all instances, another one for each switch
    #[arg(long, env = "TEAL_ETCD_PREFIX", value_name = "NAME", default_value = "teal/", value_parser = prefix)]
    pub etcd_prefix: Prefix,
    /// Trust these authorities for https:// members (PEM) [default: the system's]
    #[arg(long, env = "TEAL_ETCD_CA", value_name = "FILE")]
    pub etcd_ca: Option<PathBuf>,
    /// The client certificate for etcd (PEM)
    #[arg(long, env = "TEAL_ETCD_CERT", value_name = "FILE")]
    pub etcd_cert: Option<PathBuf>,
    /// The private key of --etcd-cert (PEM)
    #[arg(long, env = "TEAL_ETCD_KEY", value_name = "FILE")]
    pub etcd_key: Option<PathBuf>,
    /// The user of etcd, who may read and write the prefix; needs --etcd-password-file
    #[arg(long, env = "TEAL_ETCD_USER", value_name = "NAME")]
    pub etcd_user: Option<String>,
    /// The password of --etcd-user
    #[arg(long, env = "TEAL_ETCD_PASSWORD_FILE", value_name = "FILE")]
    pub etcd_password_file: Option<PathBuf>,
    /// The name of this instance for people [default: the host's name]
    #[arg(long, env = "TEAL_INSTANCE", value_name = "NAME", value_parser = instance)]
    pub instance: Option<String>,
    /// How long the other instances wait for this one if it does not answer; at least 3s
    #[arg(long, env = "TEAL_INSTANCE_TTL", value_name = "DURATION", default_value = "10s", value_parser = instance_ttl)]
    pub instance_ttl: Duration,
}
