/** Foreign text on one line, as people will read it. */

/**
 * Control characters, white space, what has no width, and what turns the direction of the text after it (Unicode's bidirectional
 * overrides and isolates): with those a reason could show other words than it has, or none. Marks that scripts and
 * emoji need stay.
 */
const unshown = /[\p{Cc}\s\u200b\u2060\u202a-\u202e\u2066-\u2069]+/gu;

/** The text without line ends and characters that are not seen; each run of them becomes a blank. */
export function visibleLine(text: string): string {
  return text.replace(unshown, " ").trim();
}
