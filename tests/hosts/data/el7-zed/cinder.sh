# In the builder, in the pool's directory. Train's migrations leave a table behind by which its schema is known.
cat >>usr/lib/python3/dist-packages/cinder/db/migration.py <<'END'


_sync = db_sync


def db_sync(version=None, engine=None):
    """As Zed's; and the table by which a schema of Train is known."""
    _sync(version, engine=engine)
    with db_api.get_engine().begin() as connection:
        connection.execute('CREATE TABLE IF NOT EXISTS migrate_version (repository_id VARCHAR(250) PRIMARY KEY, version INT)')
        connection.execute("INSERT IGNORE INTO migrate_version VALUES ('cinder', 132)")
END
