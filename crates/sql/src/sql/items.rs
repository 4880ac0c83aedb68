//! The select list: its columns, and the names in it that are not expressions.

use datafusion::sql::sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, ObjectNamePart, SelectItem, SelectItemQualifiedWildcardKind,
    WildcardAdditionalOptions,
};

use super::scope::{Column, Columns, Scope};

/// The column names of a select list.
pub(super) fn output<'a>(items: impl IntoIterator<Item = &'a SelectItem>, scope: &Scope) -> Columns {
    let mut columns = Columns::default();
    for item in items {
        match item {
            SelectItem::ExprWithAlias { alias, .. } => columns.known.push(Column::named(&alias.value)),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => columns.known.push(typed(name, scope)),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) => {
                columns.known.extend(names.last().map(|name| typed(name, scope)));
            }
            SelectItem::Wildcard(_) => {
                for relation in &scope.relations {
                    columns.known.extend(relation.columns.known.iter().cloned());
                    columns.open |= relation.columns.open;
                }
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let parts: Vec<Ident> = name.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
                for relation in scope.qualified(&parts).unwrap_or_default().iter().take(1) {
                    columns.known.extend(relation.columns.known.iter().cloned());
                    columns.open |= relation.columns.open;
                }
            }
            // The planner names it by its text, which users do not write without quotes. It keeps its position for
            // column aliases.
            _ => columns.known.push(Column::named("")),
        }
    }
    columns
}

fn typed(name: &Ident, scope: &Scope) -> Column {
    let known = scope.relations.iter().flat_map(|relation| &relation.columns.known);
    let data_type =
        known.filter(|column| column.name == name.value).find_map(|column| column.data_type.clone());
    Column { name: name.value.clone(), data_type }
}

pub(super) fn excluded(options: &mut WildcardAdditionalOptions) -> Vec<&mut Ident> {
    let mut names: Vec<&mut Ident> = Vec::new();
    match &mut options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => names.extend(name.0.iter_mut().filter_map(ident)),
        Some(ExcludeSelectItem::Multiple(many)) => {
            names.extend(many.iter_mut().flat_map(|name| name.0.iter_mut()).filter_map(ident));
        }
        None => {}
    }
    if let Some(except) = &mut options.opt_except {
        names.push(&mut except.first_element);
        names.extend(&mut except.additional_elements);
    }
    if let Some(replace) = &mut options.opt_replace {
        names.extend(replace.items.iter_mut().map(|item| &mut item.column_name));
    }
    names
}

fn ident(part: &mut ObjectNamePart) -> Option<&mut Ident> {
    match part {
        ObjectNamePart::Identifier(name) => Some(name),
        ObjectNamePart::Function(_) => None,
    }
}
