//! Frames that control streams and the connection.

use super::Received;
use crate::{
    core::Core,
    error::{By, Error, Reason},
    frame::{Head, MOST, flag, kind, number},
    refusal::Refusal,
    stream::Stream,
};

impl Core {
    pub(crate) fn recv_reset(&mut self, head: Head, payload: &[u8]) -> Received {
        let reason = number(payload)?.into();
        let Some(key) = self.live.get(&head.stream).copied() else {
            return self.not_idle(head.stream);
        };
        let limits = &self.ours.limits;
        let stream = &self.streams[key];
        let is_young = u128::from(self.now - stream.opened) < limits.reset_within.as_nanos();
        let is_rapid = self.is_server && is_young && !stream.send.has_answered;
        if is_rapid && !self.buckets.resets.take(limits.resets, self.now) {
            self.slow_down()?;
        }
        self.reset(key, reason, By::Peer);
        Ok(())
    }

    /// Pauses reading until the peer may reset streams again. Ends the connection if the peer never pauses.
    pub(super) fn slow_down(&mut self) -> Received {
        let limits = &self.ours.limits;
        let since = self.slowed.map_or(self.now, |(since, _)| since);
        if u128::from(self.now - since) > limits.slowed_for.as_nanos() {
            return Err(Refusal::RapidReset.into());
        }
        if self.slowed.is_none() {
            self.budget.count(Refusal::RapidReset);
        }
        let wait = self.buckets.resets.wait(limits.resets, self.now);
        self.slowed = Some((since, self.now + wait.as_nanos() as u64));
        Ok(())
    }

    pub(crate) fn recv_settings(&mut self, head: Head, payload: &[u8]) -> Received {
        let limits = &self.ours.limits;
        if !self.buckets.settings.take(limits.settings, self.now) {
            return Err(Refusal::SettingsFlood.into());
        }
        let before = self.allowed.window;
        self.allowed.update(head, payload, self.is_server, limits.settings_entries)?;
        if head.has(flag::ACK) {
            // It acknowledges our only SETTINGS frame.
            if !std::mem::take(&mut self.awaits_ack) {
                return Err(Reason::PROTOCOL_ERROR.into());
            }
            self.recv_initial = self.ours.initial_stream_window.into();
            return Ok(());
        }
        for size in self.allowed.header_table.take().into_iter().flatten() {
            self.encoder.set_max_size(size);
        }
        if self.allowed.window > before {
            self.widen_all()?;
        }
        self.acknowledge(kind::SETTINGS, &[]);
        Ok(())
    }

    /// The initial window has grown; grows each stream's window with it.
    pub(super) fn widen_all(&mut self) -> Received {
        if self.allowed.window + self.most_widened > MOST {
            let streams = self.live.values().map(|key| self.streams[*key].send.window);
            self.most_widened = streams.max().unwrap_or(0).max(0);
            if self.allowed.window + self.most_widened > MOST {
                return Err(Reason::FLOW_CONTROL_ERROR.into());
            }
        }
        let open = |stream: &Stream| self.allowed.window + stream.send.window > 0;
        let keys = self.stalled.iter(&self.streams).filter(|key| open(&self.streams[*key]));
        for key in keys.collect::<Vec<_>>() {
            self.stalled.remove(&mut self.streams, key);
            self.schedule(key);
        }
        Ok(())
    }

    pub(crate) fn recv_window_update(&mut self, head: Head, payload: &[u8]) -> Received {
        let more = i64::from(number(payload)?) & MOST;
        if !self.buckets.window_updates.take(self.ours.limits.window_updates, self.now) {
            return Err(Refusal::WindowUpdateFlood.into());
        }
        if head.stream == 0 {
            self.send_window += more;
            return match more {
                0 => Err(Reason::PROTOCOL_ERROR.into()),
                _ if self.send_window > MOST => Err(Reason::FLOW_CONTROL_ERROR.into()),
                _ => Ok(()),
            };
        }
        let Some(key) = self.live.get(&head.stream).copied() else {
            return self.not_idle(head.stream);
        };
        let send = &mut self.streams[key].send;
        send.window += more;
        if more == 0 {
            return self.reset_for(key, Reason::PROTOCOL_ERROR);
        }
        if self.allowed.window + send.window > MOST {
            return self.reset_for(key, Reason::FLOW_CONTROL_ERROR);
        }
        self.most_widened = self.most_widened.max(send.window);
        if self.allowed.window + send.window > 0 {
            self.stalled.remove(&mut self.streams, key);
            self.schedule(key);
        }
        Ok(())
    }

    pub(crate) fn recv_ping(&mut self, head: Head, payload: &[u8]) -> Received {
        match (head.stream, payload.len()) {
            (0, 8) if !self.buckets.pings.take(self.ours.limits.pings, self.now) => {
                return Err(Refusal::PingFlood.into());
            }
            (0, 8) if !head.has(flag::ACK) => self.acknowledge(kind::PING, payload),
            (0, 8) if self.pings.recv_pong(payload) => self.end_finally(),
            (0, 8) => {}
            (0, _) => return Err(Reason::FRAME_SIZE_ERROR.into()),
            _ => return Err(Reason::PROTOCOL_ERROR.into()),
        }
        Ok(())
    }

    pub(crate) fn recv_go_away(&mut self, head: Head, payload: &[u8]) -> Received {
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR.into());
        }
        let ([last, reason], debug) = match payload.as_chunks::<4>().0.first_chunk::<2>() {
            Some(words) => (words.map(u32::from_be_bytes), &payload[8..]),
            None => return Err(Reason::FRAME_SIZE_ERROR.into()),
        };
        let last = last & MOST as u32;
        // A later GOAWAY must not raise the last stream (RFC 9113, 6.8).
        if self.sent_away.as_ref().is_some_and(|(_, before)| last > *before) {
            return Err(Reason::PROTOCOL_ERROR.into());
        }
        let error = Error::go_away(reason.into(), debug);
        if !self.is_server {
            let unprocessed = error.clone().unprocessed();
            for (id, key) in self.live.iter().map(|(id, key)| (*id, *key)).collect::<Vec<_>>() {
                if id > last {
                    self.close(key, unprocessed.clone(), By::Peer);
                }
            }
        }
        self.sent_away = Some((error, last));
        Ok(())
    }

    /// Handles a frame without effect.
    pub(crate) fn recv_ignored(&mut self) -> Received {
        let has_room = self.buckets.ignored_frames.take(self.ours.limits.ignored_frames, self.now);
        if has_room { Ok(()) } else { Err(Refusal::IgnoredFrameFlood.into()) }
    }
}
