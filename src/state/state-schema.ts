/** Reads which schema a state file has from its bytes: without SQLite, so that nothing is locked, created or changed. */

import { readFileSync } from "node:fs";

/** What SQLite calls `user_version`. */
export type SchemaReading =
  | { readonly kind: "missing" }
  | { readonly kind: "unreadable"; readonly why: string }
  | { readonly kind: "read"; readonly schema: number };

/**
 * SQLite would create files beside a database in WAL mode, and repair one after a crash. A check must not: the folder may be
 * another user's, and the version that checks need not be the one that goes on.
 * @param file path of the database; not ":memory:"
 */
export function readSchema(file: string): SchemaReading {
  let main: Buffer;
  try {
    main = readFileSync(file);
  } catch (error) {
    if (isMissing(error)) return { kind: "missing" };
    return { kind: "unreadable", why: error instanceof Error ? error.message : String(error) };
  }
  const fromLog = schemaInLog(logOf(file));
  if (fromLog !== undefined) return { kind: "read", schema: fromLog };
  // A balancer that has opened it and written nothing yet.
  if (main.length === 0) return { kind: "read", schema: 0 };
  if (main.length < headerBytes || main.toString("latin1", 0, magic.length) !== magic)
    return { kind: "unreadable", why: "it is no SQLite database" };
  return { kind: "read", schema: main.readUInt32BE(userVersionOffset) };
}

/** SQLite's "Database File Format", section 1.3: the header, in page 1. */
const magic = "SQLite format 3\0";
const headerBytes = 100;
const userVersionOffset = 60;

/** Section 4.1: the write-ahead log, a header and frames, each with the new content of a page. All numbers are big-endian. */
const logHeaderBytes = 32;
const frameHeaderBytes = 24;
const pageSizeOffset = 8;
const saltOffset = { log: 16, frame: 8 };
const saltBytes = 8;

/** `user_version` in the last committed page 1 of a write-ahead log; undefined if the log has none. */
function schemaInLog(log: Buffer): number | undefined {
  if (log.length < logHeaderBytes) return undefined;
  const salt = log.subarray(saltOffset.log, saltOffset.log + saltBytes);
  const frameBytes = frameHeaderBytes + log.readUInt32BE(pageSizeOffset);
  let written: number | undefined;
  let committed: number | undefined;
  for (let at = logHeaderBytes; at + frameBytes <= log.length; at += frameBytes) {
    // What an earlier turn of the log left behind has another salt.
    if (!log.subarray(at + saltOffset.frame, at + saltOffset.frame + saltBytes).equals(salt)) break;
    const page = log.readUInt32BE(at);
    const pagesAfterCommit = log.readUInt32BE(at + 4);
    if (page === 1) written = log.readUInt32BE(at + frameHeaderBytes + userVersionOffset);
    if (pagesAfterCommit > 0) committed = written;
  }
  return committed;
}

function logOf(file: string): Buffer {
  try {
    return readFileSync(`${file}-wal`);
  } catch {
    return Buffer.alloc(0);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
