/** Connections to a real store, as balancers of one fleet have them. */

import { openRedisStore } from "../../src/fleet/redis-store.ts";
import type { FleetSettings } from "../../src/fleet/settings.ts";
import type { FleetStore } from "../../src/fleet/store.ts";
import { systemSchedule } from "../../src/lib/clock.ts";
import { until } from "./wait.ts";

export class FleetStores implements Disposable {
  readonly #opened: FleetStore[] = [];

  /** Resolves when the store answers. */
  async open(port: number, more: Partial<FleetSettings> = {}): Promise<FleetStore> {
    const settings: FleetSettings = {
      name: `peer-${this.#opened.length + 1}`,
      group: "test",
      store: { kind: "server", hostname: "127.0.0.1", port, database: 0 },
      ...more,
    };
    const store = await openRedisStore({ settings, schedule: systemSchedule });
    this.#opened.push(store);
    await until(() => answers(store), "an answer of the store");
    return store;
  }

  [Symbol.dispose](): void {
    for (const store of this.#opened) store.close();
  }
}

export async function answers(store: FleetStore): Promise<boolean> {
  try {
    await store.get("probe");
    return true;
  } catch {
    return false;
  }
}
