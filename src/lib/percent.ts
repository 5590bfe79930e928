/** Percent-encoding of paths. */

/** Whether each % is followed by two hexadecimal digits, and the bytes are UTF-8. */
export function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}
