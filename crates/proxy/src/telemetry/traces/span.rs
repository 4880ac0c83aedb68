//! The span of a call while it lasts, in a few numbers: what there is to tell of it is made elsewhere.

use http::{HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// Bytes of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// The span of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::telemetry) struct Span {
    pub(super) trace: u128,
    pub(super) id: u64,
    /// The client's.
    pub(super) parent: Option<u64>,
    pub(super) is_sampled: bool,
    /// What the client says of its trace besides.
    pub(super) state: Option<HeaderValue>,
}

impl Span {
    /// In the trace that the client began, or in a new one.
    pub(in crate::telemetry) fn begin(sampling: Sampling, head: &HeaderMap) -> Self {
        let parent = head.get(TRACEPARENT).and_then(|value| Parent::read(value.as_bytes()));
        let (trace, state) = match &parent {
            Some(parent) => (parent.trace, head.get(TRACESTATE).cloned()),
            None => (rand::random_range(1..=u128::MAX), None),
        };
        Self {
            trace,
            id: rand::random_range(1..=u64::MAX),
            parent: parent.as_ref().map(|parent| parent.span),
            is_sampled: sampling.wants(trace, parent.map(|parent| parent.is_sampled)),
            state,
        }
    }

    /// Has the engine continue the trace: its span is a child of this one.
    pub(in crate::telemetry) fn forward(&self, head: &mut HeaderMap) {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write(&mut text[3..35], self.trace);
        write(&mut text[36..52], self.id.into());
        text[LENGTH - 1] += u8::from(self.is_sampled);
        let mut value = HeaderValue::from_bytes(&text).expect("hexadecimal digits are visible");
        // No two are alike: compression has nothing to learn from it.
        value.set_sensitive(true);
        head.insert(TRACEPARENT, value);
    }
}

/// The span of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parent {
    trace: u128,
    span: u64,
    is_sampled: bool,
}

impl Parent {
    /// By `traceparent` of W3C's Trace Context; what is in no form that it knows is none.
    fn read(value: &[u8]) -> Option<Self> {
        let value = value.trim_ascii();
        let (known, more) = value.split_at_checked(LENGTH)?;
        let dashes = [2, 35, 52].iter().all(|place| known[*place] == b'-');
        let version = read(&known[..2])?;
        let is_known = match version {
            0 => more.is_empty(),
            0xff => false,
            _ => more.is_empty() || more[0] == b'-',
        };
        let (trace, span) = (read(&known[3..35])?, read(&known[36..52])? as u64);
        let is_sampled = read(&known[53..])? & 1 == 1;
        (dashes && is_known && trace != 0 && span != 0).then_some(Self { trace, span, is_sampled })
    }
}

fn read(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

fn write(digits: &mut [u8], mut number: u128) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xf) as usize];
        number >>= 4;
    }
}

/// Which spans are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::telemetry) struct Sampling {
    /// Where the client has a span, it decides.
    follows: bool,
    /// Of 2^63 traces so many.
    bound: u64,
}

impl Sampling {
    const ALL: u64 = 1 << 63;

    /// By `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`, or what is wrong with them.
    pub(super) fn read(sampler: Option<&str>, argument: Option<&str>) -> Result<Self, String> {
        let sampler = sampler.unwrap_or("parentbased_always_on");
        let (follows, kind) = match sampler.strip_prefix("parentbased_") {
            Some(kind) => (true, kind),
            None => (false, sampler),
        };
        let bound = match kind {
            "always_on" => Self::ALL,
            "always_off" => 0,
            "traceidratio" => {
                let ratio = argument.unwrap_or("1");
                let ratio =
                    ratio.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio)).ok_or_else(
                        || format!("OTEL_TRACES_SAMPLER_ARG: '{ratio}': expected a number from 0 to 1"),
                    )?;
                (ratio * Self::ALL as f64) as u64
            }
            _ => {
                return Err(format!(
                    "OTEL_TRACES_SAMPLER: '{sampler}': expected always_on, always_off, traceidratio or one \
                     of these after parentbased_"
                ));
            }
        };
        Ok(Self { follows, bound })
    }

    fn wants(self, trace: u128, parent: Option<bool>) -> bool {
        match parent {
            Some(is_sampled) if self.follows => is_sampled,
            // The same traces in every service that samples by ratio.
            _ => (trace as u64) >> 1 < self.bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn head(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(TRACEPARENT, HeaderValue::from_str(value).unwrap())])
    }

    fn on() -> Sampling {
        Sampling::read(None, None).unwrap()
    }

    #[test]
    fn a_trace_is_continued() {
        let mut head = head(GIVEN);
        head.insert(TRACESTATE, HeaderValue::from_static("vendor=1"));
        let span = Span::begin(on(), &head);
        assert_eq!(
            (span.trace, span.parent),
            (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, Some(0x00f0_67aa_0ba9_02b7))
        );
        assert!(span.is_sampled && span.state == Some(HeaderValue::from_static("vendor=1")));
        span.forward(&mut head);
        let Span { id, .. } = span;
        assert_eq!(head[TRACEPARENT], format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{id:016x}-01"));
        // What was forwarded is read as it was meant.
        let child = Span::begin(on(), &head);
        assert_eq!((child.trace, child.parent), (span.trace, Some(id)));
        assert_ne!(child.id, id);
    }

    #[test]
    fn what_is_no_trace_begins_one() {
        let long = format!("{GIVEN}-00");
        for value in [
            "",
            "00",
            "of no known form",
            &GIVEN[..54],
            &long,
            &GIVEN.replace("00-4b", "ff-4b"),
            &GIVEN.replace("4bf9", "4BF9"),
            &GIVEN.replace("4bf9", "4bg9"),
            &GIVEN.replacen('-', "_", 1),
            &GIVEN.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &GIVEN.replace("00f067aa0ba902b7", &"0".repeat(16)),
        ] {
            let span = Span::begin(on(), &head(value));
            assert!(span.parent.is_none() && span.trace != 0 && span.is_sampled, "{value}");
        }
        for value in [GIVEN.replace("00-4b", "01-4b"), long.replace("00-4b", "01-4b"), format!(" {GIVEN} ")] {
            assert!(Parent::read(value.as_bytes()).is_some(), "{value}");
        }
    }

    #[test]
    fn samplers_are_known_by_their_names() {
        let (sampled, not) = (head(GIVEN), head(&GIVEN.replace("-01", "-00")));
        for (sampler, argument, of_none, of_sampled, of_not) in [
            (None, None, true, true, false),
            (Some("parentbased_always_on"), None, true, true, false),
            (Some("parentbased_always_off"), None, false, true, false),
            (Some("parentbased_traceidratio"), Some("0"), false, true, false),
            (Some("always_on"), None, true, true, true),
            (Some("always_off"), None, false, false, false),
            (Some("traceidratio"), None, true, true, true),
            (Some("traceidratio"), Some("1.0"), true, true, true),
            (Some("traceidratio"), Some("0"), false, false, false),
        ] {
            let sampling = Sampling::read(sampler, argument).unwrap();
            let wants = |head: &HeaderMap| Span::begin(sampling, head).is_sampled;
            let found = (wants(&HeaderMap::new()), wants(&sampled), wants(&not));
            assert_eq!(found, (of_none, of_sampled, of_not), "{sampler:?} {argument:?}");
        }
        for (sampler, argument) in [("often", None), ("traceidratio", Some("2")), ("traceidratio", Some("x"))]
        {
            let why = Sampling::read(Some(sampler), argument).unwrap_err();
            assert!(why.starts_with("OTEL_TRACES_SAMPLER") && why.contains("expected"), "{why}");
        }
    }

    #[test]
    fn a_ratio_chooses_by_the_trace() {
        let half = Sampling::read(Some("traceidratio"), Some("0.5")).unwrap();
        assert!(half.wants(0x7fff_ffff_ffff_ffff, None) && !half.wants(0x8000_0000_0000_0000, None));
        assert!(half.wants(u128::MAX << 64, None), "the lower half decides");
        let count = (0..1000).filter(|_| Span::begin(half, &HeaderMap::new()).is_sampled).count();
        assert!((350..650).contains(&count), "{count}");
    }
}
