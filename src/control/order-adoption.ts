/** Makes orders of other balancers count here: in the same way as orders that are given here, under the name of who gave them. */

import { originOf } from "../net/address.ts";
import { hostnameProblem, hostProblem } from "../config/network.ts";
import { describeOrder, type Order } from "../fleet/entry.ts";
import type { AdoptedOrder, SetAside, Settled } from "../fleet/journal.ts";
import type { UpstreamLocation } from "../registry/pool-registry.ts";
import type { Aspect, Intent, IntentRemoval } from "../state/intent.ts";
import type { Actor } from "./control.ts";
import { automaticActor, localOrder } from "./fleet-journal.ts";
import { applyMode, changeMode } from "./mode-change.ts";
import type { OwnListeners } from "./own-listeners.ts";
import type { Reconciler } from "./reconciler.ts";
import { drainAndRemove } from "./removal.ts";
import { additionProblem } from "./upstream-addition.ts";

export interface OrderAdoptionOptions {
  readonly reconciler: Reconciler;
  /** The listeners of this process, which no upstream may be. */
  readonly listeners: OwnListeners;
  /** The name of this balancer. */
  readonly self: string;
}

export class OrderAdoption {
  readonly #options: OrderAdoptionOptions;

  constructor(options: OrderAdoptionOptions) {
    this.#options = options;
  }

  /** Modes count when it returns; upstreams that come, go or change their weight follow, after their probes. */
  adopt({ record, adopted, setAside }: Settled): void {
    const { intents } = this.#options.reconciler;
    const removed = new Map(
      adopted.flatMap(({ entry }) =>
        entry?.order.kind === "removed" ? [[entry.order.upstream, entry.order]] : [],
      ),
    );
    const orders = adopted.map((one) => this.#orderOf(one, removed.get(nameIn(one.key))));
    intents.takeOver(orders, record);
    for (const one of setAside) this.#report(one);
    for (const order of orders) if (order.kind === "mode") this.#applyMode(order);
    const others = orders.filter((order) => order.kind !== "mode");
    if (others.length > 0) void this.#reconcile(others);
  }

  /** @param removal of the upstream, that came with it */
  #orderOf({ key, entry, before }: AdoptedOrder, removal: Removal | undefined): Order {
    if (!entry) {
      const [aspect = ""] = key.split(" ");
      const at = this.#options.reconciler.wallClock();
      return withdrawal(aspect as Aspect, nameIn(key), {
        by: automaticActor,
        at,
        why: "the store has no such order any more",
      });
    }
    const order = localOrder(entry, this.#options.self);
    // A removal withdraws modes and weights. Here it removes nothing, and what was out must not serve again for that.
    if (order.kind === "forgotten" && before && removal && this.#isOther(removal)) return before;
    const why = order.kind === "added" ? this.#additionProblem(order) : undefined;
    if (why === undefined) return order;
    // It stays in the journal, for the others.
    const { upstream, by, at } = order;
    this.#options.reconciler.log.warn("upstream of another balancer not added", { upstream, by, why });
    return withdrawal("member", upstream, { by, at, why: order.why });
  }

  /** Whether this balancer has another server by the name of one that is removed elsewhere. */
  #isOther({ upstream, address, by }: Removal): boolean {
    const { registry, log } = this.#options.reconciler;
    const own = registry.find(upstream)?.upstream.address;
    if (!own || originOf(own) === originOf(address)) return false;
    const why = `it is ${originOf(own)} here, and ${originOf(address)} there; its mode and weight stay`;
    log.warn("upstream of another balancer not removed", { upstream, by, why });
    return true;
  }

  /** The store is a shared place: what it brings is checked like what an operator sends. */
  #additionProblem({ pool, spec }: Extract<Intent, { kind: "added" }>): string | undefined {
    const { reconciler, listeners } = this.#options;
    const { config, desired } = reconciler;
    // One that the configuration has by now, or whose pool is not here, has no effect.
    if (!desired.pools.some(({ name }) => name === pool)) return undefined;
    if (desired.pools.some(({ upstreams }) => upstreams.some(({ id }) => id === spec.id))) return undefined;
    const { hostname, port, tls } = spec.address;
    const why = hostProblem(hostname) ?? (tls?.serverName && hostnameProblem(tls.serverName));
    if (why) return why;
    if (!Number.isInteger(port) || port < 1 || port > 65_535) return "expected a port from 1 to 65535";
    return additionProblem(spec, config, listeners);
  }

  #applyMode(order: Extract<Order, { kind: "mode" }>): void {
    const { reconciler } = this.#options;
    const found = reconciler.registry.find(order.upstream);
    if (!found || reconciler.drains.get(found.upstream)?.isRemoval) return;
    applyMode(reconciler, found, order, actorOf(order));
  }

  #reconcile(orders: readonly Order[]): Promise<void> {
    const { reconciler } = this.#options;
    const actors = new Map(orders.map((order) => [order.upstream, actorOf(order)]));
    return reconciler.runExclusive(async () => {
      this.#beginRemovals(actors);
      this.#resetModes(orders);
      const [only] = actors.values();
      const actor = only && actors.size === 1 ? only : { by: "fleet", reason: "" };
      await reconciler.reconcile({ ...actor, ofUpstream: (id) => actors.get(id) }, "operator");
    });
  }

  /** A mode that was withdrawn is the one of the configuration: ready. */
  #resetModes(orders: readonly Order[]): void {
    const { reconciler } = this.#options;
    for (const order of orders) {
      if (order.kind !== "forgotten" || order.aspect !== "mode") continue;
      const found = reconciler.registry.find(order.upstream);
      if (found && found.upstream.mode !== "ready" && !reconciler.drains.get(found.upstream)?.isRemoval)
        applyMode(reconciler, found, { mode: "ready" }, actorOf(order));
    }
  }

  /** Upstreams that are not wanted any more are drained first. */
  #beginRemovals(actors: ReadonlyMap<string, Actor>): void {
    const { reconciler } = this.#options;
    const { registry, drains, config, intents, desiredWith } = reconciler;
    const desired = desiredWith(config, intents.all);
    const wanted = new Set(desired.pools.flatMap(({ upstreams }) => upstreams.map(wantedName)));
    for (const [id, actor] of actors) {
      const found = registry.find(id);
      if (!found || wanted.has(wantedName(found.upstream))) continue;
      if (!drains.get(found.upstream)?.isRemoval) this.#remove(found, actor);
    }
  }

  #remove(found: UpstreamLocation, actor: Actor): void {
    const { reconciler } = this.#options;
    changeMode(reconciler, found, "draining", actor);
    void drainAndRemove(reconciler, found, { waitMs: 0, actor });
  }

  #report({ stands, aside }: SetAside): void {
    const { eventLog, log, registry } = this.#options.reconciler;
    const { order, peer } = stands;
    const { upstream } = order;
    const from = `${aside.what} by ${aside.by} at ${aside.peer}`;
    const to = `${describeOrder(order)} by ${order.by} at ${peer}`;
    const pool = registry.find(upstream)?.entry.pool.name ?? null;
    const named = { kind: "fleet", pool, upstream, reason: "intent_set_aside", by: automaticActor } as const;
    eventLog.add({ ...named, from, to, detail: order.why });
    log.warn("order set aside", { upstream, order: from, stands: to });
  }
}

type Removal = Extract<Order, { kind: "removed" }>;

/** Of the upstream in the key of an order, which has its aspect first. */
function nameIn(key: string): string {
  return key.slice(key.indexOf(" ") + 1);
}

function wantedName({
  id,
  address,
}: {
  readonly id: string;
  readonly address: Parameters<typeof originOf>[0];
}): string {
  return `${id} ${originOf(address)}`;
}

function actorOf({ by, why }: Order): Actor {
  return { by, reason: why };
}

function withdrawal(
  aspect: Aspect,
  upstream: string,
  meta: Pick<Order, "by" | "at" | "why">,
): IntentRemoval & Pick<Order, "by" | "at" | "why"> {
  return { kind: "forgotten", upstream, aspect, ...meta };
}
