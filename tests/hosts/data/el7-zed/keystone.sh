# In the builder, in the pool's directory. Train's migrations leave a table behind by which its schema is known.
cat >>usr/lib/python3/dist-packages/keystone/common/sql/upgrades.py <<'END'


_sync = offline_sync_database_to_version


def offline_sync_database_to_version(version=None, *, engine=None):
    """As Zed's; and the table by which a schema of Train is known."""
    _sync(version, engine=engine)
    with sql.session_for_write() as session:
        session.execute('CREATE TABLE IF NOT EXISTS migrate_version (repository_id VARCHAR(250) PRIMARY KEY, version INT)')
        session.execute("INSERT IGNORE INTO migrate_version VALUES ('keystone', 109)")
END
