/** The cookies of all sticky pools, and the secret that makes them where the configuration has none. */

import type { PoolConfig } from "../config/config.ts";
import { createSticky } from "../filter/sticky-cookie.ts";
import { newSecret } from "../lib/secrets.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { Sticky } from "../proxy/sticky.ts";

interface StickyPool {
  readonly pool: Pool;
  readonly config: Pick<PoolConfig, "sticky">;
}

/** The cookies of sticky pools. A commit that changes nothing computes no digests. */
export class StickyCookies {
  readonly #made = new WeakMap<Pool, MadeCookies>();
  #ownSecret: string | undefined;

  get ownSecret(): string {
    return (this.#ownSecret ??= newSecret());
  }

  /** @returns undefined for a pool that is not sticky */
  of({ pool, config: { sticky: settings } }: StickyPool, secrets: readonly string[]): Sticky | undefined {
    if (!settings) return void this.#made.delete(pool);
    const { upstreams } = pool;
    const basis = JSON.stringify([settings, secrets]);
    const made = this.#made.get(pool);
    if (made?.basis === basis && made.upstreams === upstreams) return made.sticky;
    const sticky = createSticky(pool, settings, secrets);
    this.#made.set(pool, { basis, upstreams, sticky });
    return sticky;
  }
}

interface MadeCookies {
  readonly basis: string;
  readonly upstreams: readonly Upstream[];
  readonly sticky: Sticky;
}
