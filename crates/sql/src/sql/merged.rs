//! Columns merged by USING and NATURAL. The planner gets ON instead, with each name and `*` expanded: the merged
//! column of a RIGHT JOIN is that of the right side, of a FULL JOIN the first that is not NULL.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, JoinConstraint, JoinOperator, SelectItem, Value, WildcardAdditionalOptions,
};

use super::{
    build::call,
    items::excluded,
    scope::{Relation, find_one},
};
use crate::{Error, catalog::quoted};

/// A merged column of both sides of a join.
#[derive(Clone, Debug)]
pub(super) struct Merged {
    pub(super) name: String,
    pub(super) expr: Expr,
    /// The merged columns, by relation path and name. `*` omits them.
    parts: Vec<(Vec<String>, String)>,
}

/// One side of a join.
pub(super) struct Side<'a> {
    pub(super) relations: &'a [Relation],
    pub(super) merged: &'a [Merged],
}

impl Side<'_> {
    fn open(&self) -> bool {
        self.relations.iter().any(|relation| relation.columns.open || relation.path.is_empty())
    }

    /// The distinct column names.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.merged.iter().map(|merged| merged.name.clone()).collect();
        for column in self.relations.iter().flat_map(|relation| &relation.columns.known) {
            if !names.contains(&column.name) {
                names.push(column.name.clone());
            }
        }
        names
    }

    /// The column with this name.
    fn column(&self, name: &Ident) -> Result<Option<Merged>, Error> {
        let merged = find_one(name, self.merged.iter().map(|merged| merged.name.as_str()))?;
        if let Some(found) = merged.and_then(|found| self.merged.iter().find(|own| own.name == found)) {
            return Ok(Some(found.clone()));
        }
        let mut columns = Vec::new();
        for relation in self.relations {
            let names = relation.columns.known.iter().map(|column| column.name.as_str());
            columns.extend(find_one(name, names)?.map(|found| (relation, found)));
        }
        match columns.as_slice() {
            [] => Ok(None),
            [(relation, found)] => Ok(Some(Merged {
                name: found.clone(),
                expr: qualified(relation, found),
                parts: vec![(relation.path.clone(), found.clone())],
            })),
            _ => Err(Error::invalid(format!(
                "{} in USING or NATURAL is ambiguous: more than one table on one side has it",
                name.value
            ))),
        }
    }
}

fn qualified(relation: &Relation, column: &str) -> Expr {
    Expr::CompoundIdentifier(relation.path.iter().map(String::as_str).chain([column]).map(quoted).collect())
}

/// The column names of USING or NATURAL; `None` for other constraints.
fn names(constraint: &JoinConstraint, left: &Side<'_>, right: &Side<'_>) -> Option<Vec<Ident>> {
    match constraint {
        JoinConstraint::Using(names) => {
            Some(names.iter().filter_map(|name| name.0.last()?.as_ident().cloned()).collect())
        }
        JoinConstraint::Natural => {
            let others = right.names();
            let common = left.names().into_iter().filter(|name| others.contains(name));
            Some(common.map(|name| quoted(&name)).collect())
        }
        _ => None,
    }
}

/// Replaces USING and NATURAL by ON, and returns the merged columns. `None` if the columns are known only to the
/// plan, so that the planner must handle it.
pub(super) fn merge(
    operator: &mut JoinOperator,
    left: &Side<'_>,
    right: &Side<'_>,
) -> Result<Option<Vec<Merged>>, Error> {
    let (to_right, to_both) = (
        matches!(operator, JoinOperator::Right(_) | JoinOperator::RightOuter(_)),
        matches!(operator, JoinOperator::FullOuter(_)),
    );
    let of_right = matches!(operator, JoinOperator::RightSemi(_) | JoinOperator::RightAnti(_));
    let Some(constraint) = super::relations::constraint(operator) else { return Ok(None) };
    let Some(names) = names(constraint, left, right) else { return Ok(None) };
    if left.open() || right.open() {
        return match to_right || to_both || !left.merged.is_empty() {
            true => Err(Error::invalid("USING and NATURAL need tables whose columns are known: use ON")),
            false => Ok(None),
        };
    }
    let (mut all, mut on) = (Vec::new(), None);
    for name in names {
        let (Some(of_left), Some(of_other)) = (left.column(&name)?, right.column(&name)?) else {
            return Err(Error::invalid(format!("column {} of USING is not on both sides", name.value)));
        };
        let equal = Expr::BinaryOp {
            left: Box::new(of_left.expr.clone()),
            op: BinaryOperator::Eq,
            right: Box::new(of_other.expr.clone()),
        };
        on = Some(match on {
            None => equal,
            Some(on) => {
                Expr::BinaryOp { left: Box::new(on), op: BinaryOperator::And, right: Box::new(equal) }
            }
        });
        let expr = match () {
            () if to_both => call("coalesce", vec![of_left.expr, of_other.expr]),
            () if to_right || of_right => of_other.expr,
            () => of_left.expr,
        };
        all.push(Merged { name: of_left.name, expr, parts: [of_left.parts, of_other.parts].concat() });
    }
    let always = || Expr::Value(Value::Boolean(true).with_empty_span());
    *constraint = JoinConstraint::On(on.unwrap_or_else(always));
    Ok(Some(all))
}

/// The columns of `*`: the merged ones, then the others in the order of their tables.
pub(super) fn expanded(
    relations: &[Relation],
    merged: &[Merged],
    mut options: WildcardAdditionalOptions,
) -> Result<Vec<SelectItem>, Error> {
    if options.opt_replace.is_some() || options.opt_rename.is_some() || options.opt_ilike.is_some() {
        return Err(Error::invalid("* with REPLACE, RENAME or ILIKE over USING or NATURAL is not supported"));
    }
    let without: Vec<Ident> = excluded(&mut options).into_iter().map(|name| name.clone()).collect();
    let kept = |name: &str| {
        let left_out = without.iter().any(|out| matches!(find_one(out, [name]), Ok(Some(_))));
        !left_out
    };
    let one = merged.iter().filter(|merged| kept(&merged.name));
    let mut items: Vec<SelectItem> = one
        .map(|merged| SelectItem::ExprWithAlias { expr: merged.expr.clone(), alias: quoted(&merged.name) })
        .collect();
    for relation in relations {
        for column in relation.columns.known.iter().filter(|column| kept(&column.name)) {
            let part = (relation.path.clone(), column.name.clone());
            if !merged.iter().any(|merged| merged.parts.contains(&part)) {
                items.push(SelectItem::UnnamedExpr(qualified(relation, &column.name)));
            }
        }
    }
    Ok(items)
}
