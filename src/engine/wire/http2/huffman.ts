/** The Huffman code of HPACK, as a state machine that reads four bits at a time (RFC 7541 section 5.2 and appendix B). */

/**
 * Bits per symbol; the last symbol is the end of the string. The code is canonical: codes of one length follow each other in
 * the order of the symbols, so the lengths define it.
 */
const lengths: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28,
  28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7,
  6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24,
  23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22,
  23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27,
  26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25,
  24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
]; // prettier-ignore

const endOfString = 256;
const bitsPerStep = 4;
const steps = 1 << bitsPerStep;

/** Inner nodes of the code's tree. A child is an inner node, or -1 - symbol. */
const children: number[][] = [[]];
for (const [symbol, code] of canonicalCodes()) {
  let node = 0;
  const length = lengths[symbol] as number;
  for (let bit = length - 1; bit > 0; bit--) {
    const branch = (children[node] as number[])[(code >>> bit) & 1];
    if (branch !== undefined) node = branch;
    else {
      (children[node] as number[])[(code >>> bit) & 1] = children.length;
      node = children.length;
      children.push([]);
    }
  }
  (children[node] as number[])[code & 1] = -1 - symbol;
}

function canonicalCodes(): ReadonlyMap<number, number> {
  const inOrder = lengths
    .map((length, symbol) => ({ length, symbol }))
    .toSorted((one, other) => one.length - other.length || one.symbol - other.symbol);
  const codes = new Map<number, number>();
  let code = 0;
  let before = inOrder[0]?.length ?? 0;
  for (const { length, symbol } of inOrder) {
    code <<= length - before;
    before = length;
    codes.set(symbol, code);
    code += 1;
  }
  return codes;
}

/** By state × 16 + the next four bits: the next state; and the symbol that they complete, or 0x100 for none. */
const nextState = new Uint16Array(children.length * steps);
const emitted = new Uint16Array(children.length * steps);
const none = 0x100;
const invalid = 0xffff;

for (let state = 0; state < children.length; state++) {
  for (let bits = 0; bits < steps; bits++) {
    let node = state;
    let symbol = none;
    for (let bit = bitsPerStep - 1; bit >= 0 && node >= 0; bit--) {
      const child = (children[node] as number[])[(bits >>> bit) & 1] as number;
      if (child >= 0) node = child;
      else {
        symbol = -1 - child;
        node = symbol === endOfString ? -1 : 0;
      }
    }
    nextState[state * steps + bits] = node < 0 ? invalid : node;
    emitted[state * steps + bits] = symbol;
  }
}

/** States in which a string may end: only the first bits of the end-of-string code, up to seven, have followed a symbol. */
const mayEnd = new Uint8Array(children.length);
for (let node = 0, depth = 0; depth < 8; depth++) {
  mayEnd[node] = 1;
  node = (children[node] as number[])[1] as number;
}

/**
 * Decodes bytes[from..to) into `target` at the offset `at`, which must have room for eight fifths of them.
 * @returns the offset after the decoded bytes; -1 if the code is invalid
 */
export function decodeHuffman(
  bytes: Uint8Array,
  { from, to }: { readonly from: number; readonly to: number },
  target: Uint8Array,
  at: number,
): number {
  let state = 0;
  let length = at;
  for (let i = from; i < to; i++) {
    const byte = bytes[i] as number;
    for (let shift = bitsPerStep; shift >= 0; shift -= bitsPerStep) {
      const step = state * steps + ((byte >>> shift) & (steps - 1));
      const symbol = emitted[step] as number;
      state = nextState[step] as number;
      if (state === invalid) return -1;
      if (symbol !== none) target[length++] = symbol;
    }
  }
  return mayEnd[state] === 1 ? length : -1;
}
