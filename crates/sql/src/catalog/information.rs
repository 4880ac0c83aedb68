//! `information_schema` of a catalog: schemata, tables, columns and views, built at each query.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{ArrayRef, Int64Array, RecordBatch, StringArray},
        datatypes::{DataType, Field, Schema},
    },
    catalog::TableProvider,
    datasource::MemTable,
    execution::context::SessionState,
};

use super::{Schemas, names::Found, names::find_plain};
use crate::{Error, functions::type_name};

/// The name of the schema.
pub(crate) const NAME: &str = "information_schema";
/// The names of its tables.
pub(crate) const TABLES: [&str; 4] = ["columns", "schemata", "tables", "views"];

/// Builds one of its tables, for a catalog.
pub(crate) async fn table(
    state: &SessionState,
    catalog: &str,
    schemas: &Schemas,
    name: &str,
) -> Result<Option<Arc<dyn TableProvider>>, Error> {
    let Found::One(table) = find_plain(name, TABLES) else { return Ok(None) };
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut positions: Vec<i64> = Vec::new();
    let all = schemas.by_name.iter().map(|(schema, tables)| (schema.as_str(), tables));
    let texts: &[&str] = match table {
        "schemata" => {
            let own = all.map(|(schema, _)| schema).chain([NAME]);
            rows.extend(own.map(|schema| vec![catalog.to_owned(), schema.to_owned(), "teal".to_owned()]));
            &["catalog_name", "schema_name", "schema_owner"]
        }
        "tables" => {
            for (schema, tables) in all {
                let row = |table: &String| {
                    vec![catalog.to_owned(), schema.to_owned(), table.clone(), "BASE TABLE".into()]
                };
                rows.extend(tables.keys().map(row));
            }
            let row = |table: &&str| {
                vec![catalog.to_owned(), NAME.to_owned(), (*table).to_owned(), "VIEW".to_owned()]
            };
            rows.extend(TABLES.iter().map(row));
            &["table_catalog", "table_schema", "table_name", "table_type"]
        }
        "columns" => {
            for (schema, tables) in all {
                for (name, table) in tables {
                    // An unreadable file has no columns to show.
                    let Ok(provider) = table.provider(state).await else { continue };
                    for (field, position) in provider.schema().fields().iter().zip(1..) {
                        let nullable = if field.is_nullable() { "YES" } else { "NO" };
                        let kind = type_name(field.data_type()).to_uppercase();
                        let row = [catalog, schema, name, field.name(), nullable, &kind];
                        rows.push(row.map(str::to_owned).to_vec());
                        positions.push(position);
                    }
                }
            }
            &["table_catalog", "table_schema", "table_name", "column_name", "is_nullable", "data_type"]
        }
        _ => &["table_catalog", "table_schema", "table_name", "view_definition"],
    };
    let mut fields: Vec<Field> = texts.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    let column = |at: usize| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(row[at].as_str())).collect::<StringArray>())
    };
    let mut columns: Vec<ArrayRef> = (0..texts.len()).map(column).collect();
    if table == "columns" {
        fields.push(Field::new("ordinal_position", DataType::Int64, true));
        columns.push(Arc::new(Int64Array::from(positions)));
    }
    let schema = Arc::new(Schema::new(fields));
    let failed = |error: &dyn std::fmt::Display| Error::Internal(error.to_string());
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(|error| failed(&error))?;
    let table = MemTable::try_new(schema, vec![vec![batch]])?;
    Ok(Some(Arc::new(table)))
}
