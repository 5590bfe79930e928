/** Reads files that an operator named, and says in words why one cannot be read. */

/** Text of a file; undefined if there is none. Throws an `Error` with the system's code (EACCES, EISDIR …). */
export type ReadText = (path: string) => string | undefined;

/** Its text, or why there is none. Throws what is no mistake of the operator. */
export function readReferencedFile(
  path: string,
  read: ReadText,
): { readonly text: string } | { readonly why: string; readonly isMissing: boolean } {
  if (path === "") return { why: "it needs the name of a file", isMissing: false };
  try {
    const text = read(path);
    return text === undefined ? { why: "there is no such file", isMissing: true } : { text };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
    if (code === undefined) throw error;
    return { why: words[code] ?? `the system says ${code}`, isMissing: false };
  }
}

const words: Readonly<Record<string, string>> = {
  EACCES: "this user may not read it",
  EPERM: "this user may not read it",
  EISDIR: "it is a folder and not a file",
  ENOTDIR: "a part of its path is not a folder",
  ENAMETOOLONG: "its name is too long",
};
