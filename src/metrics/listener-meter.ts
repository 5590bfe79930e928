/** Counters of one listener: requests of clients by HTTP version, and connections that were closed before a request. */

/** Why a connection was closed before its first request. */
export type ConnectionRefusal = "proxy_header";

/** Fields instead of a map, because each request adds to one of them. */
export class ListenerMeter {
  http10 = 0;
  http11 = 0;
  http2 = 0;
  http3 = 0;
  /** Where the runtime's server does not tell the version. */
  unknown = 0;
  readonly refused = new Map<string, number>();

  refuse(reason: ConnectionRefusal): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
  }

  get requests(): ReadonlyArray<readonly [version: string, count: number]> {
    const { http10, http11, http2, http3, unknown } = this;
    const all = [["http/1.0", http10], ["http/1.1", http11], ["h2", http2], ["h3", http3], ["unknown", unknown]] as const; // prettier-ignore
    return all.filter(([, count]) => count > 0);
  }

  get counts(): ListenerCounters {
    const { http10, http11, http2, http3, unknown, refused } = this;
    return { http10, http11, http2, http3, unknown, refused: [...refused] };
  }

  clear(): void {
    this.http10 = this.http11 = this.http2 = this.http3 = this.unknown = 0;
    this.refused.clear();
  }

  add(counts: ListenerCounters): void {
    this.http10 += counts.http10;
    this.http11 += counts.http11;
    this.http2 += counts.http2;
    this.http3 += counts.http3;
    this.unknown += counts.unknown;
    for (const [reason, count] of counts.refused)
      this.refused.set(reason, (this.refused.get(reason) ?? 0) + count);
  }
}

/** As they travel between processes: cumulative. */
export interface ListenerCounters {
  readonly http10: number;
  readonly http11: number;
  readonly http2: number;
  readonly http3: number;
  readonly unknown: number;
  readonly refused: ReadonlyArray<readonly [reason: string, count: number]>;
}
