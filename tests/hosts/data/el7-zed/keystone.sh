# Run in the build tree, in the pool's directory. Train's migrations keep the schema's version in a table: add it.
cat >>usr/lib/python3/dist-packages/keystone/common/sql/upgrades.py <<'END'


_sync = offline_sync_database_to_version


def offline_sync_database_to_version(version=None, *, engine=None):
    """Migrate as Zed does, and write the table that Train keeps its version in."""
    _sync(version, engine=engine)
    with sql.session_for_write() as session:
        session.execute('CREATE TABLE IF NOT EXISTS migrate_version (repository_id VARCHAR(250) PRIMARY KEY, version INT)')
        session.execute("INSERT IGNORE INTO migrate_version VALUES ('keystone', 109)")
END
