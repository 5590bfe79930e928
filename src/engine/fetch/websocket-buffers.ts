/** The bytes that all WebSocket tunnels of a listener buffer for peers that read slowly, and their limit. */

export interface BufferingTunnel {
  /** Bytes that wait for one of its peers, now. */
  readonly bufferedBytes: number;
  /** Ends the tunnel and frees its bytes: the buffers of all tunnels are too large. */
  dropBuffers(): void;
}

/** Counts at each message; reads the tunnels again only when the limit seems to be reached. */
export class WebSocketBuffers {
  readonly #maxBytes: number;
  readonly #tunnels = new Map<BufferingTunnel, number>();
  #total = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes, as far as the tunnels have said. */
  get total(): number {
    return this.#total;
  }

  /** Notes what the tunnel buffers now. Over the limit, ends the tunnels that buffer the most, until the rest fits. */
  update(tunnel: BufferingTunnel): void {
    this.#note(tunnel, tunnel.bufferedBytes);
    if (this.#total <= this.#maxBytes) return;
    for (const each of this.#tunnels.keys()) this.#note(each, each.bufferedBytes);
    while (this.#total > this.#maxBytes) this.#dropLargest();
  }

  remove(tunnel: BufferingTunnel): void {
    this.#note(tunnel, 0);
  }

  #note(tunnel: BufferingTunnel, bytes: number): void {
    this.#total += bytes - (this.#tunnels.get(tunnel) ?? 0);
    if (bytes > 0) this.#tunnels.set(tunnel, bytes);
    else this.#tunnels.delete(tunnel);
  }

  #dropLargest(): void {
    let largest: BufferingTunnel | undefined;
    for (const [tunnel, bytes] of this.#tunnels)
      if (bytes > ((largest && this.#tunnels.get(largest)) ?? 0)) largest = tunnel;
    if (!largest) throw new Error("Cannot free buffers: no tunnel has any");
    this.remove(largest);
    largest.dropBuffers();
  }
}
