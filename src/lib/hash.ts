/** Fast, well-mixed, non-cryptographic hashes for choosing an upstream by key. */

/** 32-bit hash of a string. Source: FNV-1a with the finalizer of MurmurHash3 (Appleby), so that short keys spread evenly. */
export function hashString(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/** Combines two 32-bit hashes into one that looks independent of both. */
export function hashPair(left: number, right: number): number {
  return mix(left ^ Math.imul(right, 0x9e3779b1));
}

function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
