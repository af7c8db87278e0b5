use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::ConnectOptions;
use std::str::FromStr;
use std::time::Duration;

pub struct DbPool {
    pool: SqlitePool,
}

impl DbPool {
    pub async fn new(database_url: &str) -> Result<Self, sqlx::Error> {
        Self::with_synchronous(database_url, SqliteSynchronous::Normal).await
    }

    /// Added: the same with another durability, to be measured too.
    pub async fn with_synchronous(
        database_url: &str,
        synchronous: SqliteSynchronous,
    ) -> Result<Self, sqlx::Error> {
        // Parse connection options
        let options = SqliteConnectOptions::from_str(database_url)?
            .create_if_missing(true)
            .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(30));

        // Disable logging for connection setup
        // Repaired: the result was discarded, and `options` with it (did not compile).
        let options = options.disable_statement_logging();

        // Create connection pool
        let pool = SqlitePoolOptions::new()
            .max_connections(5)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options)
            .await?;

        // Run migrations
        sqlx::migrate!("./migrations").run(&pool).await?;

        // Optimize pragmas
        sqlx::query("PRAGMA cache_size = -8000") // 8MB cache
            .execute(&pool)
            .await?;
        sqlx::query("PRAGMA temp_store = MEMORY").execute(&pool).await?;

        Ok(Self { pool })
    }

    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    pub async fn close(self) {
        self.pool.close().await;
    }

    pub async fn optimize(&self) -> Result<(), sqlx::Error> {
        sqlx::query("PRAGMA optimize").execute(&self.pool).await?;
        sqlx::query("PRAGMA incremental_vacuum(100)").execute(&self.pool).await?;
        Ok(())
    }

    pub async fn verify_integrity(&self) -> Result<bool, sqlx::Error> {
        let result: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&self.pool).await?;
        Ok(result == "ok")
    }
}
