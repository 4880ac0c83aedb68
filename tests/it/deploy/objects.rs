//! Ports, labels, Secrets and times of the objects fit together.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use super::{SETS, list, of, pod::Pod, text, the};

/// Calls in progress have 10 s to finish, and etcd has 5 s.
const SHUTS_DOWN_WITHIN: Duration = Duration::from_secs(15);

fn sets() -> impl Iterator<Item = (&'static String, &'static [Value], Pod<'static>)> {
    SETS.iter().map(|(name, objects)| (name, objects.as_slice(), Pod::of(objects)))
}

#[test]
fn ports_are_those_that_teal_binds() {
    for (name, objects, pod) in sets() {
        for (flag, port) in [("--listen", "grpc"), ("--admin", "admin")] {
            let bound = pod.flag(flag).and_then(|address| address.rsplit(':').next()).expect("it is set");
            assert_eq!(bound, pod.port(port).to_string(), "{name}: {flag}");
        }
        let container = pod.container();
        for probe in ["livenessProbe", "readinessProbe"] {
            assert_eq!(container[probe]["httpGet"]["port"], "admin", "{name}: {probe}");
        }
        for service in of(objects, "Service") {
            let [port] = list(&service["spec"]["ports"]) else {
                panic!("{name}: expected one port: {service}")
            };
            let target = text(&port["targetPort"]);
            assert_eq!(port["port"], pod.port(target), "{name}: {service}");
            // The port that everyone may reach has calls only.
            let is_admin = text(&service["metadata"]["name"]).ends_with("-admin");
            assert_eq!(target, if is_admin { "admin" } else { "grpc" }, "{name}: {service}");
            let is_plain = target == "grpc" && pod.flag("--tls-cert").is_none();
            assert_eq!(port["appProtocol"] == "kubernetes.io/h2c", is_plain, "{name}: {service}");
        }
        for ingress in of(objects, "Ingress") {
            let backend = &ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"];
            let is_it = |service: &&&Value| service["metadata"]["name"] == backend["name"];
            let services = of(objects, "Service");
            let service = services.iter().find(is_it).unwrap_or_else(|| panic!("{name}: no {backend}"));
            assert_eq!(service["spec"]["ports"][0]["name"], backend["port"]["name"], "{name}");
        }
    }
}

/// Whether a selector finds these labels.
fn finds(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.as_object().expect("a selector has labels");
    !wanted.is_empty() && wanted.iter().all(|(key, value)| labels[key] == *value)
}

#[test]
fn selectors_find_the_pods_and_no_others() {
    for (name, objects, pod) in sets() {
        let mut selectors = vec![&pod.deployment["spec"]["selector"]["matchLabels"]];
        selectors.extend(of(objects, "Service").iter().map(|service| &service["spec"]["selector"]));
        selectors.extend(
            of(objects, "PodDisruptionBudget")
                .iter()
                .map(|budget| &budget["spec"]["selector"]["matchLabels"]),
        );
        selectors.push(&the(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"]);
        let spread = list(&pod.spec()["topologySpreadConstraints"]);
        selectors.extend(spread.iter().map(|constraint| &constraint["labelSelector"]["matchLabels"]));
        assert!(selectors.len() >= 7, "{name}: {selectors:?}");
        for selector in selectors {
            assert!(finds(selector, pod.labels()), "{name}: {selector}");
            for other in of(objects, "Pod") {
                assert!(!finds(selector, &other["metadata"]["labels"]), "{name}: {selector}");
            }
        }
        for monitor in of(objects, "ServiceMonitor") {
            let selector = &monitor["spec"]["selector"]["matchLabels"];
            let services = of(objects, "Service").into_iter();
            let found: Vec<&Value> =
                services.filter(|service| finds(selector, &service["metadata"]["labels"])).collect();
            let [service] = found[..] else { panic!("{name}: {selector} finds {found:?}") };
            let endpoint = &monitor["spec"]["endpoints"][0];
            assert_eq!(service["spec"]["ports"][0]["name"], endpoint["port"], "{name}");
            let secret = &endpoint["authorization"]["credentials"];
            let volumes = list(&pod.spec()["volumes"]);
            let admin = volumes.iter().find(|volume| volume["name"] == "admin").expect("it is mounted");
            assert_eq!(secret, &json!({"name": admin["secret"]["secretName"], "key": "token"}), "{name}");
        }
    }
}

#[test]
fn only_operators_reach_the_admin_port() {
    for (name, objects, pod) in sets() {
        let rules = list(&the(objects, "NetworkPolicy")["spec"]["ingress"]);
        let mut seen = BTreeSet::new();
        for rule in rules {
            let [port] = list(&rule["ports"]) else { panic!("{name}: {rule}") };
            seen.insert(text(&port["port"]));
            let (is_admin, from) = (port["port"] == "admin", list(&rule["from"]));
            assert!(!is_admin || !from.is_empty(), "{name}: everyone may reach it");
            // `helm test` reaches what it asks for.
            for other in of(objects, "Pod") {
                let finds_it = |peer: &Value| {
                    peer["podSelector"].is_object()
                        && finds(&peer["podSelector"]["matchLabels"], &other["metadata"]["labels"])
                };
                assert!(from.is_empty() || from.iter().any(finds_it), "{name}: {rule}");
            }
        }
        assert_eq!(seen, BTreeSet::from(["admin", "grpc"]), "{name}");
        assert!(seen.iter().all(|port| pod.port(port) > 0), "{name}");
        // A Service named teal would set TEAL_… otherwise.
        assert_eq!(pod.spec()["enableServiceLinks"], false, "{name}");
    }
}

#[test]
fn flags_name_the_mounted_secrets() {
    for (name, _, pod) in sets() {
        let named: BTreeSet<&str> = pod.named_files().into_iter().map(|(volume, _)| volume).collect();
        let mut mounted: BTreeSet<&str> = pod.secrets().into_iter().collect();
        mounted.insert("config");
        assert_eq!(named, mounted, "{name}");
        for volume in mounted {
            let mounts = list(&pod.container()["volumeMounts"]);
            let mount = mounts.iter().find(|mount| mount["name"] == volume);
            let mount = mount.unwrap_or_else(|| panic!("{name}: {volume} is not mounted"));
            assert_eq!(text(&mount["mountPath"]), format!("/etc/teal/{volume}"), "{name}");
        }
    }
}

#[test]
fn the_grace_outlasts_the_shutdown() {
    for (name, _, pod) in sets() {
        let delay = pod.flag("--shutdown-delay").expect("it is set");
        let delay = humantime::parse_duration(delay).expect("it is a duration");
        let grace = pod.spec()["terminationGracePeriodSeconds"].as_u64().expect("it is a number");
        assert!(Duration::from_secs(grace) > delay + SHUTS_DOWN_WITHIN, "{name}: {grace} s");
        // Long enough for the endpoints to be updated where another instance takes the connections.
        let is_alone = pod.deployment["spec"]["replicas"] == 1;
        assert_eq!(delay.is_zero(), is_alone, "{name}: {delay:?}");
    }
}

#[test]
fn there_is_one_switch_at_any_time() {
    for (name, objects, pod) in sets() {
        let spec = &pod.deployment["spec"];
        let (replicas, is_shared) =
            (spec["replicas"].as_u64().expect("a number"), pod.flag("--etcd").is_some());
        assert!(is_shared || replicas == 1, "{name}: {replicas}");
        let strategy = text(&spec["strategy"]["type"]);
        assert_eq!(strategy, if is_shared { "RollingUpdate" } else { "Recreate" }, "{name}");
        assert_eq!(of(objects, "PodDisruptionBudget").len(), usize::from(replicas > 1), "{name}");
        let claims = of(objects, "PersistentVolumeClaim").len();
        assert_eq!(pod.flag("--state").is_some(), claims == 1, "{name}");
        assert!(claims == 0 || !is_shared, "{name}");
    }
}

/// The profile "restricted" of the Pod Security Standards, which no namespace refuses.
#[test]
fn pods_are_restricted() {
    for (name, objects, pod) in sets() {
        let specs = of(objects, "Pod").into_iter().map(|pod| &pod["spec"]).chain([pod.spec()]);
        for spec in specs {
            let own = &spec["securityContext"];
            assert_eq!((&own["runAsNonRoot"], &own["runAsUser"]), (&json!(true), &json!(65532)), "{name}");
            assert_eq!(own["seccompProfile"]["type"], "RuntimeDefault", "{name}");
            assert_eq!(spec["automountServiceAccountToken"], false, "{name}");
            for container in list(&spec["containers"]) {
                let context = &container["securityContext"];
                assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
                assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
                assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}), "{name}");
            }
        }
    }
}

#[test]
fn the_chart_has_the_version_of_teal() {
    let chart = include_str!("../../../deploy/helm/teal/Chart.yaml");
    for key in ["version", "appVersion"] {
        let line = format!("{key}: {}", env!("CARGO_PKG_VERSION"));
        assert!(chart.lines().any(|shown| shown == line), "{line} is not in Chart.yaml");
    }
    let image = format!("teal:{}", env!("CARGO_PKG_VERSION"));
    for (name, _, pod) in sets() {
        assert_eq!(text(&pod.container()["image"]), image, "{name}");
    }
}
