//! Date arithmetic with intervals, and truncation before 1970 and after 2262.

use std::sync::Arc;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, PrimitiveArray},
        compute::kernels::numeric::{add, sub},
        datatypes::{DataType, FieldRef, IntervalMonthDayNanoType, TimeUnit, TimestampMicrosecondType},
    },
    common::{
        DataFusionError, Result, ScalarValue, exec_datafusion_err, exec_err, utils::take_function_args,
    },
    functions::datetime::{date_bin as date_bin_udf, date_trunc as date_trunc_udf},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let own = |inner| Arc::new(ScalarUDF::new_from_impl(Truncated { inner }));
    vec![own(date_trunc_udf()), own(date_bin_udf())]
}

/// The function that adds an interval to a date, or subtracts one.
pub(crate) fn moved(plus: bool) -> Arc<ScalarUDF> {
    let name = if plus { "date_plus_interval" } else { "date_minus_interval" };
    Arc::new(ScalarUDF::new_from_impl(Moved { name, signature: Signature::any(2, Volatility::Immutable) }))
}

/// A date plus or minus an interval of whole days; the result is a date.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Moved {
    name: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for Moved {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Date32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [dates, intervals] = take_function_args(self.name, args.args)?;
        let (dates, intervals) = (dates.to_array(args.number_rows)?, intervals.to_array(args.number_rows)?);
        let months = intervals.as_primitive::<IntervalMonthDayNanoType>();
        if months.iter().flatten().any(|interval| interval.nanoseconds != 0) {
            return exec_err!(
                "a DATE with an interval below a day is a time: cast the date to TIMESTAMP first"
            );
        }
        let moved: ArrayRef = match self.name {
            "date_plus_interval" => add(&dates, &intervals)?,
            _ => sub(&dates, &intervals)?,
        };
        Ok(ColumnarValue::Array(moved))
    }
}

/// `date_trunc`, which DataFusion gets wrong for a single value before 1970, and for weeks and larger units outside
/// of 1677 to 2262; and `date_bin`, which returns NULL outside of that range.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Truncated {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Truncated {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let truncates = self.name() == "date_trunc";
        if let Some(instants) = args.args.get_mut(1).filter(|_| truncates)
            && matches!(instants.data_type(), DataType::Timestamp(..))
            && matches!(instants, ColumnarValue::Scalar(_))
        {
            // Expand to one value per row, as for a column.
            *instants = ColumnarValue::Array(instants.to_array(args.number_rows)?);
        }
        if let [ColumnarValue::Scalar(ScalarValue::Utf8(Some(unit))), ColumnarValue::Array(instants)] =
            args.args.as_slice()
            && let Some(first) = first_of(&unit.to_lowercase())
            && let DataType::Timestamp(TimeUnit::Microsecond, zone) = instants.data_type()
            && zone.as_deref().is_none_or(|zone| matches!(zone, "UTC" | "+00:00" | "Z"))
        {
            let instants = instants.as_primitive::<TimestampMicrosecondType>();
            let begun = instants.try_unary(|micros| {
                let day =
                    DateTime::from_timestamp_micros(micros).and_then(|instant| first(instant.date_naive()));
                let begun = day.map(|day| day.and_time(NaiveTime::MIN).and_utc().timestamp_micros());
                begun.ok_or_else(|| exec_datafusion_err!("date_trunc(): a timestamp is out of range"))
            });
            let begun: PrimitiveArray<TimestampMicrosecondType> = begun?;
            return Ok(ColumnarValue::Array(Arc::new(begun.with_timezone_opt(zone.clone()))));
        }
        if self.name() != "date_bin" {
            return self.inner.invoke_with_args(args);
        }
        let (rows, instants) = (args.number_rows, args.args.get(1).cloned());
        let binned = self.inner.invoke_with_args(args)?;
        let nulls =
            |value: &ColumnarValue| Ok::<_, DataFusionError>(value.to_array(rows)?.logical_null_count());
        if let Some(instants) = instants
            && nulls(&binned)? > nulls(&instants)?
        {
            return exec_err!("date_bin(): a timestamp is out of range");
        }
        Ok(binned)
    }
}

/// Maps a day to the first day of its unit.
type First = fn(NaiveDate) -> Option<NaiveDate>;

fn first_of(unit: &str) -> Option<First> {
    Some(match unit {
        "week" => |day| day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into())),
        "month" => |day| day.with_day(1),
        "quarter" => |day| day.with_day(1)?.with_month0(day.month0() / 3 * 3),
        "year" => |day| day.with_day(1)?.with_month(1),
        _ => return None,
    })
}
