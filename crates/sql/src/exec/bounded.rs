//! Keeps a plan within its memory limit where DataFusion's operators repeat wide values or hold uncounted rows.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, RecordBatch},
        datatypes::DataType,
    },
    common::{
        ScalarValue,
        tree_node::{Transformed, TreeNode},
    },
    error::Result,
    execution::memory_pool::MemoryReservation,
    logical_expr::{WindowFrameBound, WindowFrameUnits},
    physical_expr::window::WindowExpr,
    physical_plan::{
        ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions,
        windows::{BoundedWindowAggExec, WindowAggExec},
    },
};

use super::through::{Pass, ThroughExec};
use crate::guard::{Memory, bytes, widest};

/// A window that looks back further than this many rows counts as holding all rows.
const LOOKING_BACK: u64 = 100_000;

/// Bounds a plan by `memory`. `rows` limits the batches of leaves, if constants are so large that they may be
/// repeated for few rows only.
pub(crate) fn bounded(
    plan: Arc<dyn ExecutionPlan>,
    memory: &Memory,
    rows: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let plan = plan.transform_up(|node| {
        let children: Vec<Arc<dyn ExecutionPlan>> = node.children().into_iter().cloned().collect();
        let narrow = |child| ThroughExec::over(child, Narrow(memory.clone()));
        let children = match node.name() {
            _ if children.is_empty() => {
                return Ok(match rows {
                    Some(rows) => Transformed::yes(ThroughExec::over(&node, Slice(rows))),
                    None => Transformed::no(node),
                });
            }
            name if name.contains("Join") => children.iter().map(narrow).collect(),
            "ScalarSubqueryExec" => {
                let narrowed = children[1..].iter().map(narrow);
                std::iter::once(Arc::clone(&children[0])).chain(narrowed).collect()
            }
            "UnnestExec" => vec![ThroughExec::over(&children[0], Unnesting(memory.clone()))],
            "WindowAggExec" | "BoundedWindowAggExec" => {
                return Ok(Transformed::yes(window(&node, &narrow(&children[0]), memory)?));
            }
            _ => return Ok(Transformed::no(node)),
        };
        Ok(Transformed::yes(node.replace_children(children, recomputed())?))
    })?;
    Ok(plan.data)
}

/// Counts the rows of a window while it holds them: until they come out, or to the end.
fn window(
    node: &Arc<dyn ExecutionPlan>,
    input: &Arc<dyn ExecutionPlan>,
    memory: &Memory,
) -> Result<Arc<dyn ExecutionPlan>> {
    let gauge = Arc::new(Gauge {
        memory: memory.clone(),
        reservation: memory.reservation("the rows of a window"),
        rows: AtomicUsize::new(0),
    });
    // A window that computes all rows at once copies them.
    let (expressions, copies) = match node.downcast_ref::<WindowAggExec>() {
        Some(window) => (window.window_expr(), 2),
        None => match node.downcast_ref::<BoundedWindowAggExec>() {
            Some(window) => (window.window_expr(), 1),
            None => return Ok(Arc::clone(node)),
        },
    };
    let holds = copies > 1 || expressions.iter().any(|expr| looks_far_back(expr.as_ref()));
    let counted = ThroughExec::over(input, In(Arc::clone(&gauge), copies));
    let node = Arc::clone(node).replace_children(vec![counted], recomputed())?;
    Ok(if holds { node } else { ThroughExec::over(&node, Out(gauge)) })
}

fn recomputed() -> ReplaceChildrenOptions {
    ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute)
}

fn looks_far_back(expr: &dyn WindowExpr) -> bool {
    let frame = expr.get_window_frame();
    match &frame.start_bound {
        WindowFrameBound::Preceding(distance) if distance.is_null() => false,
        WindowFrameBound::Preceding(ScalarValue::UInt64(Some(rows))) => {
            frame.units != WindowFrameUnits::Rows || *rows > LOOKING_BACK
        }
        WindowFrameBound::Preceding(_) => true,
        _ => false,
    }
}

#[derive(Debug)]
struct Gauge {
    memory: Memory,
    reservation: MemoryReservation,
    rows: AtomicUsize,
}

/// Counts the rows that enter a window, with this factor.
#[derive(Debug)]
struct In(Arc<Gauge>, usize);

impl Pass for In {
    fn name(&self) -> &'static str {
        "CountExec: in"
    }

    fn pass(&self, batch: RecordBatch) -> Result<Vec<RecordBatch>> {
        let Self(gauge, copies) = self;
        let size = usize::try_from(size(&batch)).unwrap_or(usize::MAX).saturating_mul(*copies);
        if gauge.reservation.try_grow(size).is_err() {
            let size = gauge.reservation.size().saturating_add(size);
            return Err(gauge.memory.exceeded("the rows of a window", size as u128));
        }
        gauge.rows.fetch_add(batch.num_rows(), Ordering::Relaxed);
        Ok(vec![batch])
    }
}

/// Releases the rows that leave it.
#[derive(Debug)]
struct Out(Arc<Gauge>);

impl Pass for Out {
    fn name(&self) -> &'static str {
        "CountExec: out"
    }

    fn pass(&self, batch: RecordBatch) -> Result<Vec<RecordBatch>> {
        let Self(gauge) = self;
        let (inside, size) = (gauge.rows.load(Ordering::Relaxed), gauge.reservation.size());
        let out = batch.num_rows().min(inside);
        gauge.rows.fetch_sub(out, Ordering::Relaxed);
        let share = size as u128 * out as u128 / inside.max(1) as u128;
        gauge.reservation.try_shrink(usize::try_from(share).unwrap_or(size).min(size))?;
        Ok(vec![batch])
    }
}

/// Limits the rows of a batch.
#[derive(Debug)]
struct Slice(usize);

impl Pass for Slice {
    fn name(&self) -> &'static str {
        "SliceExec"
    }

    fn pass(&self, batch: RecordBatch) -> Result<Vec<RecordBatch>> {
        let rows = batch.num_rows();
        Ok((0..rows).step_by(self.0).map(|start| batch.slice(start, self.0.min(rows - start))).collect())
    }
}

/// Refuses rows so wide that a batch of full length would be too large.
#[derive(Debug)]
struct Narrow(Memory);

impl Pass for Narrow {
    fn name(&self) -> &'static str {
        "NarrowExec"
    }

    fn pass(&self, batch: RecordBatch) -> Result<Vec<RecordBatch>> {
        let width: u128 = batch.columns().iter().map(widest).sum();
        if width > self.0.widest() as u128 {
            let rows = self.0.batch_rows();
            let text = format!("a batch of {rows} rows of {width} bytes, which a join or window may make,");
            return Err(self.0.exceeded(&text, width * rows as u128));
        }
        Ok(vec![batch])
    }
}

/// Splits batches before UNNEST so that the resulting batches are not too large.
#[derive(Debug)]
struct Unnesting(Memory);

impl Pass for Unnesting {
    fn name(&self) -> &'static str {
        "SliceExec: before unnesting"
    }

    fn pass(&self, batch: RecordBatch) -> Result<Vec<RecordBatch>> {
        let (most, mut rest, mut parts) = ((self.0.aside() / 4) as u128, vec![batch], Vec::new());
        while let Some(part) = rest.pop() {
            let (unnested, rows) = (unnested(&part), part.num_rows());
            if unnested <= most || (rows == 1 && unnested <= 4 * most) {
                parts.push(part);
            } else if rows > 1 {
                rest.extend([part.slice(rows / 2, rows - rows / 2), part.slice(0, rows / 2)]);
            } else {
                return Err(self.0.exceeded("unnesting one row", unnested));
            }
        }
        Ok(parts)
    }
}

/// The size of a batch after its lists are unnested, in bytes; other columns are repeated for each element.
fn unnested(batch: &RecordBatch) -> u128 {
    let is_list = |array: &&ArrayRef| {
        matches!(array.data_type(), DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..))
    };
    let columns = batch.columns().iter();
    let (lists, others): (Vec<&ArrayRef>, Vec<&ArrayRef>) = columns.partition(is_list);
    let elements = lists.iter().map(|list| leaves(list)).max().unwrap_or(0) as u128;
    let lists: u128 = lists.iter().map(|list| bytes(list)).sum();
    let others: u128 = others.iter().map(|other| bytes(other)).sum();
    elements * (others / batch.num_rows().max(1) as u128 + 16) + lists
}

fn leaves(array: &ArrayRef) -> usize {
    match array.data_type() {
        DataType::List(_) => {
            let (offsets, list) = (array.as_list::<i32>().value_offsets(), array.as_list::<i32>());
            let (first, last) = (offsets[0] as usize, offsets[array.len()] as usize);
            leaves(&list.values().slice(first, last - first))
        }
        DataType::LargeList(_) => {
            let (offsets, list) = (array.as_list::<i64>().value_offsets(), array.as_list::<i64>());
            let (first, last) = (offsets[0] as usize, offsets[array.len()] as usize);
            leaves(&list.values().slice(first, last - first))
        }
        DataType::FixedSizeList(..) => leaves(array.as_fixed_size_list().values()),
        _ => array.len(),
    }
}

pub(crate) fn size(batch: &RecordBatch) -> u128 {
    batch.columns().iter().map(|column| bytes(column)).sum()
}
