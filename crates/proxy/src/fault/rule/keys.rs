//! The keys of a rule: names, values and help, in one table for the parser and `--help`. `docs/faults.md` lists them
//! too.

/// A key of a rule.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The name of the key.
    pub name: &'static str,
    /// A placeholder for its value; empty if it has none.
    pub value: &'static str,
    /// The help text.
    pub help: &'static str,
}

const fn key(name: &'static str, value: &'static str, help: &'static str) -> Key {
    Key { name, value, help }
}

/// All keys. `metadata.NAME` stands for one key per header name.
pub const KEYS: [Key; 33] = [
    key("id", "NAME", "The name of the rule [default: f1, f2, …]"),
    key(
        "method",
        "GLOB",
        "Calls of these methods: a name, or a path if it has a slash; * and ? stand for anything",
    ),
    key("strategy", "blue|green", "Calls admitted under this strategy"),
    key("user", "GLOB", "Calls of users who logged in with this name"),
    key("cluster-name", "GLOB", "Calls with this metadata"),
    key("user-agent", "GLOB", "Calls of these clients"),
    key("sql", "REGEX", "Calls whose SQL matches"),
    key("phase", "PHASE", "Only in this phase: STABLE, ANNOUNCED or DRAINING"),
    key("nth", "N", "Only the n-th match"),
    key("first", "N", "Only the first n matches"),
    key("every", "N", "Every n-th match"),
    key("probability", "P", "Each match with this probability"),
    key("seed", "N", "Make random choices the same each time"),
    key(
        "delay",
        "DURATION",
        "Wait: 200ms, 100ms..300ms (uniformly distributed) or 200ms±50ms (normally distributed)",
    ),
    key(
        "at",
        "call|answer|message",
        "Where to wait: before the call (default), its response, or each message of that",
    ),
    key("status", "CODE", "Respond with this gRPC status, by name or number"),
    key("message", "TEXT", "The message of that status"),
    key("details", "TEXT|base64:…", "Its details: a text, or an encoded google.rpc.Status"),
    key("http-status", "N", "The HTTP status of the response; alone, the response is not gRPC"),
    key("reset", "CODE", "Reset the stream with this HTTP/2 code, by name or number"),
    key("goaway", "CODE", "Send GOAWAY: NO_ERROR lets calls finish, any other code ends the connection"),
    key("disconnect", "", "Close the connection without a GOAWAY"),
    key("hang", "", "Never answer"),
    key(
        "truncate",
        "SIZE|Nbatches",
        "End the response after this many bytes, or a result after this many batches",
    ),
    key("throttle", "SIZE/s", "Send the response at most this fast"),
    key("corrupt", "N", "Flip this many bytes of a result batch"),
    key("access-denied", "", "Respond with INTERNAL Access denied, as to an unknown session"),
    key("suspended", "", "Respond with UNAVAILABLE, as a suspended cluster does"),
    key("mismatch", "", "Reject with a 456"),
    key("notice", "blue|green", "Announce this strategy, whatever the switch announces"),
    key("duplicate-notice", "", "Send each due notice twice"),
    key("empty-batch", "", "Respond to a fetch with an empty batch"),
    key("slow-batches", "DURATION", "Wait before each response to a fetch"),
];
