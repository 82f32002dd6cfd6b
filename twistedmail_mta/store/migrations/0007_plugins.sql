-- How far the tables of each plugin have come; they are its own, and begin with plugin_NAME_.

CREATE TABLE plugin (
    name    TEXT PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
