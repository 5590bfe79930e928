/** Remembers what was computed of a text: for texts that others choose, of which few are usual, such as header fields. */

/** More than are usual anywhere. A client may send as many and as long ones to each of a thousand routes. */
const maxTexts = 64;
const maxLength = 128;

/**
 * @param compute depends on nothing but the text
 * @returns a function with the same results, which computes them again for long texts and now and then
 */
export function textMemo<Result>(compute: (text: string) => Result): (text: string) => Result {
  const results = new Map<string, { readonly result: Result }>();
  return (text) => {
    if (text.length > maxLength) return compute(text);
    const known = results.get(text);
    if (known) return known.result;
    const result = compute(text);
    // All at once: to know the least used one would cost more than it saves.
    if (results.size >= maxTexts) results.clear();
    results.set(text, { result });
    return result;
  };
}
