//! Watches the instances for people: says what has happened since the last look. Pure: it takes time as an argument.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use serde_json::json;
use tokio::time::Instant;

use super::{
    about::{About, Abouts},
    board::Board,
    remark::{Remark, Weight},
    store::Own,
};
use crate::{
    course::Course,
    instance::{InstanceStatus, Stage},
    phase_name::PhaseName,
};

/// How long an instance may be behind, or etcd silent, before that is said.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the reason is waited for why an instance went, where the watch lags.
const REASON_WITHIN: Duration = Duration::from_secs(2);
/// For how long an instance that went is shown.
const GONE_FOR: Duration = Duration::from_secs(60);
/// The state of an etcd that refuses puts.
pub(super) const FULL: &str = "etcd is out of space";
/// How many of them are shown.
const MAX_GONE: usize = 16;

/// The sight of etcd and the instances at one moment.
pub(super) struct Sighting<'a> {
    pub(super) now: Instant,
    pub(super) own: Own,
    /// This instance serves: it has followed, and its lease lasts.
    pub(super) is_live: bool,
    pub(super) board: &'a Board,
    pub(super) abouts: &'a Abouts,
    /// This instance's description of itself.
    pub(super) own_about: &'a About,
    /// The revision up to which the watch has told all.
    pub(super) watched: i64,
    /// For how long etcd has answered nobody.
    pub(super) silent_for: Duration,
    /// etcd is out of space.
    pub(super) is_full: bool,
}

/// An instance that went.
#[derive(Clone, Debug)]
pub(super) struct Gone {
    pub(super) lease: i64,
    pub(super) status: InstanceStatus,
    pub(super) about: Option<About>,
    at: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Lookout {
    /// The instances that were there at the first look are no news.
    has_looked: bool,
    /// The instances that have joined, this one included.
    known: BTreeMap<i64, InstanceStatus>,
    /// Those that went, in this revision at the latest; nobody was told yet.
    vanished: Vec<(i64, InstanceStatus, i64, Instant)>,
    gone: VecDeque<Gone>,
    /// The incarnation of which was said that it has joined.
    joined: Option<Own>,
    is_cut_off: bool,
    is_silent: bool,
    is_full: bool,
    /// The heading, and how far all instances were said to be with it.
    agreed: (u64, Option<Stage>),
    /// The instance that is waited for, in which epoch and stage, since when, and whether that was said.
    behind: Option<((i64, u64, Stage), Instant, bool)>,
    differs: BTreeMap<i64, Vec<String>>,
    /// Names that two live instances have, since when, and whether that was said.
    namesakes: BTreeMap<String, (Instant, bool)>,
}

/// The instance that the others wait for in this course: one that is behind although it could go on.
pub(super) fn waited_for<'a>(
    course: &Course,
    live: impl Iterator<Item = (i64, &'a InstanceStatus)> + Clone,
) -> Option<(i64, &'a InstanceStatus)> {
    if course.phase == PhaseName::Stable {
        return None;
    }
    let last = live.clone().min_by_key(|(lease, status)| (status.epoch, status.stage, *lease))?;
    let is_behind = match last.1 {
        status if status.epoch < course.epoch => true,
        status if status.epoch > course.epoch => false,
        // All have followed.
        status if status.stage == Stage::Open => true,
        status => course.phase == PhaseName::Draining && status.stage == Stage::Telling,
    };
    // An instance that is alone waits for etcd, not for itself.
    (is_behind && live.count() > 1).then_some(last)
}

impl Lookout {
    /// Says what is new.
    pub(super) fn look(&mut self, at: &Sighting<'_>) -> Vec<Remark> {
        let mut remarks = Vec::new();
        self.look_at_etcd(at, &mut remarks);
        self.look_for_changes(at, &mut remarks);
        if at.is_live
            && let Some(kept) = &at.board.truth
        {
            self.look_at_stages(at, &kept.value.course, &mut remarks);
            self.look_at_settings(at, kept.value.course.epoch, &mut remarks);
        }
        remarks
    }

    /// Somebody went, and the reason is not known yet.
    pub(super) fn is_waiting(&self) -> bool {
        !self.vanished.is_empty()
    }

    /// This incarnation is over before its deadline was.
    pub(super) fn lost(&mut self, own: Own, epoch: u64) -> Option<Remark> {
        // What becomes of its own key is no news.
        self.known.remove(&own.lease);
        let was_live = self.joined.take().is_some();
        (was_live && !std::mem::replace(&mut self.is_cut_off, true)).then(|| cut_off(epoch))
    }

    /// The instances that went lately.
    pub(super) fn gone(&mut self, now: Instant) -> Vec<Gone> {
        while self.gone.front().is_some_and(|gone| now.saturating_duration_since(gone.at) >= GONE_FOR) {
            self.gone.pop_front();
        }
        self.gone.iter().cloned().collect()
    }

    fn look_at_etcd(&mut self, at: &Sighting<'_>, remarks: &mut Vec<Remark>) {
        let epoch = epoch(at.board);
        if at.is_live {
            if std::mem::take(&mut self.is_cut_off) {
                self.is_silent = false;
                remarks.push(Remark::new(
                    Weight::Info,
                    "back",
                    epoch,
                    "Back: etcd answers, all calls are let in",
                ));
            }
            if self.joined.replace(at.own) != Some(at.own) {
                let live = at.board.instances.len();
                if let Some(status) = at.board.own(at.own.lease, at.own.created) {
                    remarks.push(joined(at.own.lease, status, live));
                    self.known.insert(at.own.lease, status.clone());
                }
            }
        } else if self.joined.is_some() && !self.is_cut_off {
            self.is_cut_off = true;
            remarks.push(cut_off(epoch));
        }
        let is_silent = at.silent_for >= PATIENCE;
        if is_silent && at.is_live && !self.is_silent {
            self.is_silent = true;
            remarks.push(Remark::new(
                Weight::Warn,
                "etcd_silent",
                epoch,
                "etcd does not answer: begins wait",
            ));
        } else if !is_silent && std::mem::take(&mut self.is_silent) && at.is_live {
            remarks.push(Remark::new(Weight::Info, "etcd_answers", epoch, "etcd answers again"));
        }
        if at.is_full != std::mem::replace(&mut self.is_full, at.is_full) {
            remarks.push(match at.is_full {
                true => Remark::new(Weight::Error, "etcd_full", epoch, format!("{FULL}: begins fail")),
                false => Remark::new(Weight::Info, "etcd_has_room", epoch, "etcd has room again"),
            });
        }
    }

    fn look_for_changes(&mut self, at: &Sighting<'_>, remarks: &mut Vec<Remark>) {
        let instances = &at.board.instances;
        let is_first = !std::mem::replace(&mut self.has_looked, true);
        for (lease, status) in std::mem::take(&mut self.known) {
            match instances.get(&lease) {
                Some(kept) => _ = self.known.insert(lease, kept.value.clone()),
                None => self.vanished.push((lease, status, at.board.revision, at.now)),
            }
        }
        for (lease, kept) in instances {
            // It is live once it has followed.
            if kept.value.epoch == 0 || *lease == at.own.lease || self.known.contains_key(lease) {
                continue;
            }
            if !is_first {
                remarks.push(joined(*lease, &kept.value, instances.len()));
            }
            self.known.insert(*lease, kept.value.clone());
        }
        let epoch = epoch(at.board);
        let is_due = |(_, _, revision, since): &mut (i64, InstanceStatus, i64, Instant)| {
            at.watched >= *revision || at.now.saturating_duration_since(*since) >= REASON_WITHIN
        };
        for (lease, status, _, _) in self.vanished.extract_if(.., is_due) {
            let about = at.abouts.last(lease).cloned();
            let (weight, message, why) = match about.as_ref().is_some_and(|about| about.leaving) {
                true => (Weight::Info, format!("Instance {} left", status.name), "left"),
                false => {
                    (Weight::Warn, format!("Instance {} is gone: its lease is over", status.name), "lease")
                }
            };
            let remark = Remark::new(weight, "instance_gone", epoch, message).of(&status.name, lease);
            remarks.push(remark.with("why", json!(why)));
            self.differs.remove(&lease);
            if self.gone.len() >= MAX_GONE {
                self.gone.pop_front();
            }
            self.gone.push_back(Gone { lease, status, about, at: at.now });
        }
        self.look_at_names(at, epoch, remarks);
    }

    fn look_at_names(&mut self, at: &Sighting<'_>, epoch: u64, remarks: &mut Vec<Remark>) {
        let names = at.board.instances.values().map(|kept| kept.value.name.as_str());
        let mut seen = BTreeSet::new();
        let twice: BTreeSet<String> = names.filter(|name| !seen.insert(*name)).map(str::to_owned).collect();
        self.namesakes.retain(|name, _| twice.contains(name));
        // An instance that was killed and started again has two keys until the lease of the first one is over.
        let patience = PATIENCE + Duration::from_secs(at.own_about.ttl);
        for name in twice {
            let (since, is_said) = self.namesakes.entry(name.clone()).or_insert((at.now, false));
            if !*is_said && at.now.saturating_duration_since(*since) >= patience {
                *is_said = true;
                let message = format!("Two live instances are named {name}");
                let remark = Remark::new(Weight::Warn, "same_name", epoch, message);
                remarks.push(remark.with("instance", json!(name)));
            }
        }
    }

    fn look_at_stages(&mut self, at: &Sighting<'_>, course: &Course, remarks: &mut Vec<Remark>) {
        let live = at.board.instances.iter().map(|(lease, kept)| (*lease, &kept.value));
        self.look_who_is_behind(at.now, course, waited_for(course, live), remarks);
        if self.agreed.0 != course.heading {
            self.agreed = (course.heading, None);
        }
        if course.phase == PhaseName::Stable {
            return;
        }
        let all: Vec<_> = at.board.instances.values().map(|kept| &kept.value).collect();
        let strategy = course.headed_for();
        let mut agree = |stage, verb: &str, is_so: bool| {
            if is_so && self.agreed.1 < Some(stage) {
                self.agreed.1 = Some(stage);
                let message = match all.len() {
                    1 => format!("The only instance {verb}s {strategy}"),
                    number => format!("All {number} instances {verb} {strategy}"),
                };
                let remark = Remark::new(Weight::Info, "agreed", course.epoch, message);
                let remark = remark.with("instances", json!(all.len())).with("strategy", json!(strategy));
                remarks.push(remark.with("stage", json!(stage)));
            }
        };
        agree(Stage::Open, "accept", all.iter().all(|status| status.has_followed(course)));
        agree(Stage::Telling, "tell", all.iter().all(|status| status.tells(course)));
    }

    fn look_who_is_behind(
        &mut self,
        now: Instant,
        course: &Course,
        behind: Option<(i64, &InstanceStatus)>,
        remarks: &mut Vec<Remark>,
    ) {
        let Some((lease, status)) = behind else {
            self.behind = None;
            return;
        };
        let place = (lease, course.epoch, status.stage);
        let (since, is_said) = match self.behind {
            Some((before, since, is_said)) if before == place => (since, is_said),
            _ => (now, false),
        };
        let is_due = !is_said && now.saturating_duration_since(since) >= PATIENCE;
        if is_due {
            let is_late = status.epoch < course.epoch;
            let place = if is_late {
                format!("in epoch {}", status.epoch)
            } else {
                format!("at stage {}", status.stage)
            };
            let message = format!("Waiting for instance {}: it is {place}", status.name);
            remarks.push(
                Remark::new(Weight::Warn, "waiting", course.epoch, message)
                    .of(&status.name, lease)
                    .with("behind", json!(status.epoch)),
            );
        }
        self.behind = Some((place, since, is_said || is_due));
    }

    fn look_at_settings(&mut self, at: &Sighting<'_>, epoch: u64, remarks: &mut Vec<Remark>) {
        for (lease, kept) in &at.board.instances {
            let is_other = *lease != at.own.lease && self.known.contains_key(lease);
            let Some(about) = at.abouts.get(*lease).filter(|_| is_other) else { continue };
            let differs = at.own_about.differs(about);
            let before = self.differs.insert(*lease, differs.clone()).unwrap_or_default();
            if !differs.is_empty() && differs != before {
                let message = format!("Settings differ from {}: {}", kept.value.name, differs.join(", "));
                remarks.push(
                    Remark::new(Weight::Warn, "settings_differ", epoch, message)
                        .of(&kept.value.name, *lease)
                        .with("settings", json!(differs)),
                );
            }
        }
    }
}

fn joined(lease: i64, status: &InstanceStatus, live: usize) -> Remark {
    let message = format!("Instance {} joined: epoch {}, {live} live", status.name, status.epoch);
    Remark::new(Weight::Info, "instance_joined", status.epoch, message)
        .of(&status.name, lease)
        .with("live", json!(live))
}

fn cut_off(epoch: u64) -> Remark {
    let message = "Lost etcd: only calls about queries on record are let in";
    Remark::new(Weight::Error, "cut_off", epoch, message)
}

fn epoch(board: &Board) -> u64 {
    board.truth.as_ref().map_or(0, |kept| kept.value.course.epoch)
}
