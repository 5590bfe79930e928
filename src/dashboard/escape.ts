/** Outside strings on their way into markup: the one place that escapes them. */

import { escapeHtml } from "@kitajs/html";

/**
 * For attributes, of which the JSX runtime escapes no more than the quote. Text belongs into an element with `safe`.
 */
export function attribute(value: string): string {
  return escapeHtml(value);
}

/** An id for markup and URL fragments, different for different names, whatever they are made of. */
export function anchorOf(kind: string, name: string): string {
  const plain = name.replace(/[^A-Za-z0-9.-]/g, (sign) => `_${sign.charCodeAt(0).toString(16)}_`);
  return `${kind}-${plain}`;
}
