/** Sizes in the configuration. */

import { parseSize } from "../lib/size.ts";

/** Undefined if the text is a size that a number can count exactly, else why not. */
export function sizeProblem(text: string): string | undefined {
  const bytes = parseSize(text);
  if (bytes === undefined) return "it needs a size such as 64KiB or 10MB";
  return Number.isSafeInteger(bytes) ? undefined : "it needs a smaller size";
}

/** Bytes of a text that was checked. */
export function sizeOf(text: string): number {
  return parseSize(text) ?? Number.NaN;
}
