//! The physical optimizer's rules, without those that change results.

use std::sync::Arc;

use datafusion::{
    common::{
        Result,
        config::ConfigOptions,
        tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion},
    },
    physical_optimizer::{PhysicalOptimizerRule, optimizer::PhysicalOptimizer},
    physical_plan::{ExecutionPlan, aggregates::AggregateExec, union::UnionExec},
};

use crate::exec::InOrderExec;

/// Moves conditions below joins by column name, which both sides may share. The logical optimizer has moved them
/// already.
const FILTER_PUSHDOWN: &str = "FilterPushdown";

/// Answers aggregates from statistics.
const STATISTICS: &str = "aggregate_statistics";

pub(crate) fn rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let rules = PhysicalOptimizer::new().rules.into_iter();
    let right = rules.filter(|rule| !rule.name().starts_with(FILTER_PUSHDOWN));
    let counting = |rule: Arc<dyn PhysicalOptimizerRule + Send + Sync>| {
        let rule: Arc<dyn PhysicalOptimizerRule + Send + Sync> = match rule.name() {
            STATISTICS => Arc::new(Counts { inner: rule }),
            _ => rule,
        };
        rule
    };
    let ordered: Arc<dyn PhysicalOptimizerRule + Send + Sync> = Arc::new(InOrder);
    std::iter::once(ordered).chain(right.map(counting)).collect()
}

/// Orders the rows of a union by its parts.
#[derive(Debug)]
struct InOrder;

impl PhysicalOptimizerRule for InOrder {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let ordered = plan.transform_up(|node| {
            Ok(match node.downcast_ref::<UnionExec>() {
                Some(_) => Transformed::yes(InOrderExec::over(node)),
                None => Transformed::no(node),
            })
        });
        ordered.data()
    }

    fn name(&self) -> &'static str {
        "in_order"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Limits that rule to `count`, because it assumes that a constant has one distinct value even without rows.
#[derive(Debug)]
struct Counts {
    inner: Arc<dyn PhysicalOptimizerRule + Send + Sync>,
}

impl PhysicalOptimizerRule for Counts {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut plain = true;
        plan.apply(|node| {
            if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
                let count = |name: &str, distinct: bool| name == "count" && !distinct;
                plain &=
                    aggregate.aggr_expr().iter().all(|expr| count(expr.fun().name(), expr.is_distinct()));
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        if plain { self.inner.optimize(plan, config) } else { Ok(plan) }
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn schema_check(&self) -> bool {
        self.inner.schema_check()
    }
}
