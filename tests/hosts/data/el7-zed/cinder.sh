# Run in the build tree, in the pool's directory. Train's migrations keep the schema's version in a table: add it.
cat >>usr/lib/python3/dist-packages/cinder/db/migration.py <<'END'


_sync = db_sync


def db_sync(version=None, engine=None):
    """Migrate as Zed does, and write the table that Train keeps its version in."""
    _sync(version, engine=engine)
    with db_api.get_engine().begin() as connection:
        connection.execute('CREATE TABLE IF NOT EXISTS migrate_version (repository_id VARCHAR(250) PRIMARY KEY, version INT)')
        connection.execute("INSERT IGNORE INTO migrate_version VALUES ('cinder', 132)")
END
