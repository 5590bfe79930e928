/** How the state file's tables came to be: each step takes a file from one version to the next. */

/**
 * A new file goes through all of them, so that old and new files are made by the same words. Never change one that was
 * released: append.
 */
export const migrations: readonly string[] = [
  `CREATE TABLE mode_intent (
     upstream TEXT PRIMARY KEY, mode TEXT NOT NULL, set_by TEXT NOT NULL, set_at INTEGER NOT NULL
   ) STRICT;`,

  `CREATE TABLE intent (
     upstream TEXT NOT NULL, aspect TEXT NOT NULL, content TEXT NOT NULL,
     set_by TEXT NOT NULL, set_at INTEGER NOT NULL, why TEXT NOT NULL,
     PRIMARY KEY (upstream, aspect)
   ) STRICT;
   INSERT INTO intent (upstream, aspect, content, set_by, set_at, why)
     SELECT upstream, 'mode', '{"kind":"mode","mode":"' || mode || '"}', set_by, set_at, '' FROM mode_intent;
   DROP TABLE mode_intent;
   CREATE TABLE event (
     seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, pool TEXT, upstream TEXT,
     came_from TEXT NOT NULL, went_to TEXT NOT NULL, reason TEXT NOT NULL, done_by TEXT NOT NULL, detail TEXT NOT NULL
   ) STRICT;`,
];
