//! Common parts of responses.

use protocol::{Strategy, pb};

/// A response that may announce a strategy.
pub(super) trait Answer {
    /// The announced strategy. Unknown values are ignored.
    fn notice(&self) -> Option<Strategy>;
}

macro_rules! announcing {
    ($($name:ident),+ $(,)?) => {$(
        impl Answer for pb::$name {
            fn notice(&self) -> Option<Strategy> {
                // Clients compare the value as it is.
                let told = self.new_strategy.as_deref()?;
                Strategy::ALL.into_iter().find(|strategy| strategy.as_str() == told)
            }
        }
    )+};
}

announcing!(
    AuthenticateResponse,
    PrepareStatementResponse,
    ExecuteStatementResponse,
    GetResultMetadataResponse,
    GetNextResultBatchResponse,
    ExplainAnalyzeResponse,
    ClearOrCancelQueryResponse,
    StatusResponse,
    GetSchemaNamesResponse,
    GetTablesResponse,
    GetColumnsResponse,
);

macro_rules! silent {
    ($($name:ident),+ $(,)?) => {$(
        impl Answer for pb::$name {
            fn notice(&self) -> Option<Strategy> {
                None
            }
        }
    )+};
}

silent!(ClusterStatusResponse, ResumeResponse);
