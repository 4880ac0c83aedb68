//! Takes in the board, the copy and the news, and tells the follower.

use tokio::time::Instant;

use super::{Driver, Follower};
use crate::etcd::{
    board::{Board, Difference},
    store::Own,
    watch::News,
};

impl<F: Follower> Driver<F> {
    /// Has the follower take over what is on the board. False once this incarnation is over.
    pub(super) fn follow(&mut self, own: Own) -> bool {
        let Some(truth) = &self.board.truth else {
            self.is_restoring = true;
            return false;
        };
        let before = self.followed.as_ref().map(|(truth, modified)| (truth.course.epoch, *modified));
        match before {
            // etcd has been set back.
            Some((epoch, _)) if truth.value.course.epoch < epoch => {
                self.is_restoring = true;
                return false;
            }
            Some((_, modified)) if truth.modified <= modified => {}
            _ => {
                if before.is_none_or(|(epoch, _)| epoch < truth.value.course.epoch) {
                    self.followed_at = Instant::now();
                }
                self.follower.follow(&truth.value);
                self.followed = Some((truth.value.clone(), truth.modified));
            }
        }
        if !self.is_live(own) {
            return false;
        }
        self.learn_record();
        self.see_health(own);
        let has_vanished = std::mem::take(&mut self.has_vanished);
        self.follower.see(&self.board.live(), has_vanished);
        for (truth, done) in self.ordered.drain(..) {
            _ = done.send(Ok(truth));
        }
        for done in self.timed.drain(..) {
            _ = done.send(Ok(true));
        }
        let followed = self.followed.as_ref().map_or(0, |(truth, _)| truth.course.epoch);
        for (_, done) in self.behind.extract_if(.., |(epoch, _)| *epoch <= followed) {
            _ = done.send(());
        }
        true
    }

    /// Tells the follower what the others say of the engines: since when, is counted from the first sight of it.
    pub(super) fn see_health(&mut self, own: Own) {
        let (now, instances) = (Instant::now(), &self.board.instances);
        self.seen.retain(|lease, _| instances.contains_key(lease));
        let others = instances.iter().filter(|(lease, _)| **lease != own.lease).map(|(lease, kept)| {
            let seen = self.seen.entry(*lease).or_insert((kept.modified, now));
            if seen.0 != kept.modified {
                *seen = (kept.modified, now);
            }
            kept.value.unwell(seen.1.into_std())
        });
        let others: Vec<_> = others.collect();
        if others != self.others {
            self.follower.see_health(others.clone());
            self.others = others;
        }
    }

    /// Tells the follower what is on record. Nobody who holds the copy waits for the follower.
    pub(super) fn learn_record(&self) {
        if let Some(kept) = &self.board.truth {
            let (holding, queries) = {
                let copy = self.copy.lock();
                (copy.holding(&kept.value.course), copy.queries(&kept.value.course))
            };
            self.people.sight.set_queries(queries);
            self.follower.learn(holding, queries);
        }
    }

    pub(super) fn is_live(&self, own: Own) -> bool {
        self.board.own(own.lease, own.created).is_some()
    }

    /// Takes a board that was read or answered.
    pub(super) fn renew(&mut self, board: Board) {
        let Difference { has_vanished, .. } = self.board.renew(board);
        self.has_vanished |= has_vanished;
    }

    /// Takes in what the feed says. False if etcd has lost its data.
    pub(super) fn learn(&mut self, news: News) -> bool {
        match news {
            News::List { board, queries, abouts } => {
                self.people.listed(self.store.prefix(), &abouts, board.revision);
                let has_data = board.revision >= self.board.revision && board.truth.is_some();
                self.copy.lock().replace(queries, board.revision);
                self.is_listed = true;
                // Some may have come and gone unseen.
                self.has_vanished = true;
                if !has_data {
                    self.is_restoring |= self.followed.is_some();
                    self.board = board;
                    return false;
                }
                self.renew(board);
                true
            }
            News::Changes { events, record, revision } => {
                match self.board.take(self.store.prefix(), &events, revision) {
                    Ok(difference) => self.has_vanished |= difference.has_vanished,
                    // Another program's key is nobody's business; a value that cannot be read is found by the next round.
                    Err(error) => tracing::debug!("{error}"),
                }
                self.people.changed(self.store.prefix(), &events, revision);
                let now = Instant::now().into_std();
                self.copy.lock().take(record, revision, now);
                true
            }
            News::Lost(error) => {
                tracing::debug!("The watch of etcd is lost: {error}");
                self.is_listed = false;
                true
            }
        }
    }

    /// After a loss of data: puts back what the copy holds and etcd does not. What does not fit in now is put later.
    pub(super) fn put_back(&mut self, own: Own) {
        if !std::mem::take(&mut self.is_restoring) {
            return;
        }
        let unseen = self.copy.lock().unseen();
        for (id, query) in unseen {
            self.is_restoring |= !self.recorder.put_back(own, &id, query);
        }
    }
}
