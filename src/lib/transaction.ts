/** Transactions of an SQLite database. */

import type { DatabaseSync } from "node:sqlite";

/**
 * Runs the task in a transaction that may write.
 * @returns what the task returns
 * @throws what it throws, or the error of the commit. Nothing was written then.
 */
export function inTransaction<Result>(database: DatabaseSync, task: () => Result): Result {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = task();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    // After some errors SQLite has already rolled back.
    if (database.isOpen && database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}
