/** A strict parser of the chunked coding: the grammar of RFC 9112 section 7.1 as regular expressions, without whitespace. */

const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const quoted = '"(?:[\\t !\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t \\x21-\\x7e\\x80-\\xff])*"';
const chunkLine = new RegExp(`^([0-9A-Fa-f]{1,16})(?:;${token}(?:=(?:${token}|${quoted}))?)*$`);
const field = new RegExp(`^${token}:[\\t\\x20-\\x7e\\x80-\\xff]*$`);

/** @returns the data of a whole body without anything behind it; undefined if it breaks the grammar */
export function readStrictly(text: string): string | undefined {
  let at = 0;
  let data = "";
  const line = () => {
    const end = text.indexOf("\r\n", at);
    const found = text.slice(at, end < 0 ? text.length : end);
    at = end < 0 ? text.length + 1 : end + 2;
    return found;
  };
  for (;;) {
    const digits = chunkLine.exec(line())?.[1];
    if (digits === undefined) return undefined;
    const size = Number.parseInt(digits, 16);
    if (size === 0) break;
    data += text.slice(at, at + size);
    if (text.slice(at + size, at + size + 2) !== "\r\n") return undefined;
    at += size + 2;
  }
  for (let next = line(); next !== ""; next = line()) if (!field.test(next)) return undefined;
  return at === text.length ? data : undefined;
}
