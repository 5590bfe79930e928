/**
 * A fleet on a store that fails, without sockets: random schedules of orders, halves of synchronisations, and faults. Checks that
 * in the end all balancers agree, and that every order stands, was followed knowingly, or was set aside aloud.
 */

import { type Entry, type LocalEntry, parseEntry, serializeEntry } from "../../src/fleet/entry.ts";
import { Journal, type Known, type Plan } from "../../src/fleet/journal.ts";
import type { reconcile, SharedState } from "../../src/fleet/reconcile.ts";
import { randomIndex, seededRandom } from "../../src/lib/random.ts";
import type { Mode } from "../../src/pool/upstream.ts";
import type { FleetRecord } from "../../src/state/store.ts";

/** What the store holds; every change replaces it, so that an older one can come back. */
interface Data {
  readonly epoch: string;
  readonly nonces: readonly string[];
  readonly entries: ReadonlyMap<string, string>;
}

const empty: Data = { epoch: "", nonces: [], entries: new Map() };

/** An order as it was given, with what its operator saw. */
interface Given {
  readonly id: string;
  readonly key: string;
  readonly mode: Mode;
  readonly after: string | undefined;
}

/** A balancer: its journal, its state file, and what it was about to do. */
interface Peer {
  readonly name: string;
  journal: Journal;
  file: Map<string, FleetRecord["entries"][number]>;
  known: Known | undefined;
  plan: { plan: Plan; state: SharedState & { nonces: readonly string[] } } | undefined;
  /** An older copy of the file, as a backup or a snapshot of the machine brings back. */
  backup: { file: Peer["file"]; known: Known | undefined } | undefined;
}

const modes: readonly Mode[] = ["ready", "draining", "maintenance"];
const keyCount = 2;

export class FleetSimulation {
  readonly #random;
  readonly #reconcile: typeof reconcile | undefined;
  readonly #peers: readonly Peer[];
  readonly #given = new Map<string, Given>();
  /** Orders that asked for the same as another one that did not know of them: the two are one. */
  readonly #merged = new Map<string, Set<string>>();
  /** Ids of orders that an event named as set aside. */
  readonly #setAside = new Set<string>();
  /** Orders whose last copy was destroyed before another balancer or the store had it. */
  readonly #destroyed = new Set<string>();
  /**
   * Orders that a backup of a state file brought back as not shared yet. If the store has lost data too, what told that they are
   * over may be gone, and the more careful order stands: that may be one of these.
   */
  readonly #revived = new Set<string>();
  #hasLostData = false;
  readonly #careless: string[] = [];
  #data = empty;
  #copies: Data[] = [];
  #names = 0;

  /** @param mutant replaces the rules, to show that the checks see it */
  constructor(seed: number, mutant?: typeof reconcile) {
    this.#random = seededRandom(seed);
    this.#reconcile = mutant;
    this.#peers = ["a", "b", "c"].map((name) => ({
      name,
      journal: new Journal(name),
      file: new Map(),
      known: undefined,
      plan: undefined,
      backup: undefined,
    }));
  }

  /** @returns what is wrong in the end; empty if all is right */
  run(steps: number): readonly string[] {
    for (let step = 0; step < steps; step++) this.#step();
    for (let round = 0; round < 6; round++) for (const peer of this.#peers) this.#synchronise(peer);
    return this.#problems();
  }

  #step(): void {
    const peer = this.#peers[randomIndex(this.#random, this.#peers.length)] as Peer;
    const dice = this.#random();
    if (dice < 0.3) this.#order(peer);
    else if (dice < 0.5) this.#read(peer);
    else if (dice < 0.65) this.#commit(peer, { isAnswerLost: this.#random() < 0.2 });
    else if (dice < 0.8) this.#synchronise(peer);
    else if (dice < 0.84) this.#restart(peer);
    else if (dice < 0.88) this.#copies.push(this.#data);
    else if (dice < 0.91) this.#replaceData(empty);
    else if (dice < 0.95)
      this.#replaceData(this.#copies[randomIndex(this.#random, this.#copies.length)] ?? this.#data);
    else if (dice < 0.98) peer.backup = { file: new Map(peer.file), known: peer.known };
    else this.#restoreBackup(peer);
    this.#noteDestroyed();
  }

  #order(peer: Peer): void {
    const upstream = `s${randomIndex(this.#random, keyCount)}`;
    const mode = modes[randomIndex(this.#random, modes.length)] as Mode;
    const key = `mode ${upstream}`;
    const before = peer.journal.entries.get(key);
    const record = peer.journal.order([{ kind: "mode", upstream, mode, by: "ann", at: 0, why: "" }]);
    this.#keep(peer, record);
    const { id } = peer.journal.entries.get(key) as LocalEntry;
    this.#given.set(id, { id, key, mode, after: before?.id });
  }

  #keep(peer: Peer, { known, entries }: FleetRecord): void {
    peer.known = known ?? peer.known;
    for (const row of entries) {
      if (row.entry === null) peer.file.delete(row.key);
      else peer.file.set(row.key, row);
    }
  }

  #read(peer: Peer): void {
    const { epoch, nonces, entries } = this.#data;
    const { known } = peer.journal;
    const nonce = nonces[0] ?? "";
    const isContinued = epoch === known.epoch && (nonce === known.nonce || nonces.includes(known.nonce));
    const parsed = new Map(
      [...entries].flatMap(([key, text]): [string, Entry][] => {
        const entry = parseEntry(key, text);
        return entry ? [[key, entry]] : [];
      }),
    );
    const state = { epoch, nonce, nonces, isContinued, entries: parsed, damaged: new Set<string>() };
    const plan = peer.journal.plan(state);
    // The journal knows only the real rules.
    peer.plan = { state, plan: { ...plan, ...this.#reconcile?.(state, peer.journal.entries) } };
  }

  #commit(peer: Peer, { isAnswerLost }: { readonly isAnswerLost: boolean }): void {
    if (!peer.plan) return;
    const { plan, state } = peer.plan;
    peer.plan = undefined;
    let known = { epoch: state.epoch, nonce: state.nonce };
    if (plan.writes.size > 0) {
      const { epoch, nonces } = this.#data;
      if (epoch !== state.epoch || (nonces[0] ?? "") !== state.nonce) return;
      const entries = new Map(this.#data.entries);
      for (const [key, entry] of plan.writes) entries.set(key, serializeEntry(entry));
      known = { epoch: epoch || `epoch${this.#names++}`, nonce: `nonce${this.#names++}` };
      this.#data = { epoch: known.epoch, nonces: [known.nonce, ...nonces], entries };
      for (const entry of plan.writes.values()) this.#noteMerged(entry);
      if (isAnswerLost) return;
    }
    const { record, setAside } = peer.journal.settle(plan, known);
    for (const { aside, stands } of setAside) {
      this.#setAside.add(aside.id);
      const [winner, loser] = [this.#given.get(stands.id), this.#given.get(aside.id)];
      const isDirect = stands.past[0] === aside.id;
      if (isDirect && winner && loser && modes.indexOf(winner.mode) < modes.indexOf(loser.mode))
        this.#careless.push(`${loser.mode} of ${loser.key} gave way to ${winner.mode}`);
    }
    this.#keep(peer, record);
  }

  #noteMerged({ id, past }: Entry): void {
    for (const other of past) {
      if (this.#given.get(other)?.mode !== this.#given.get(id)?.mode) continue;
      this.#merged.set(other, (this.#merged.get(other) ?? new Set()).add(id));
    }
  }

  #synchronise(peer: Peer): void {
    this.#read(peer);
    this.#commit(peer, { isAnswerLost: false });
  }

  /** What was in memory only is gone. */
  #restart(peer: Peer): void {
    const { known, file } = peer;
    peer.journal = new Journal(peer.name, { ...(known && { known }), entries: [...file.values()] });
    peer.plan = undefined;
  }

  #restoreBackup(peer: Peer): void {
    if (!peer.backup) return;
    peer.file = new Map(peer.backup.file);
    peer.known = peer.backup.known;
    this.#restart(peer);
    for (const { id } of peer.journal.pending) this.#revived.add(id);
  }

  #replaceData(data: Data): void {
    this.#hasLostData ||= data !== this.#data;
    this.#data = data;
  }

  /** No rule can bring back what no disk holds. */
  #noteDestroyed(): void {
    const held = new Set<string>();
    const hold = ({ id, past, aside }: Entry) => {
      for (const one of [id, ...past, ...aside.map((order) => order.id)]) held.add(one);
    };
    for (const { journal } of this.#peers) for (const entry of journal.entries.values()) hold(entry);
    for (const [key, text] of this.#data.entries) {
      const entry = parseEntry(key, text);
      if (entry) hold(entry);
    }
    for (const id of this.#given.keys()) if (!held.has(id)) this.#destroyed.add(id);
  }

  #problems(): readonly string[] {
    const problems: string[] = [...this.#careless];
    for (const { name, journal } of this.#peers) {
      if (journal.pending.length > 0) problems.push(`${name} has pending orders`);
      for (const key of new Set([...journal.entries.keys(), ...this.#data.entries.keys()])) {
        const stored = parseEntry(key, this.#data.entries.get(key) ?? "");
        if (journal.entries.get(key)?.id !== stored?.id)
          problems.push(`${name} and the store differ in ${key}`);
      }
    }
    const children = Map.groupBy(this.#given.values(), ({ after }) => after);
    const standing = new Set([...this.#data.entries].map(([key, text]) => parseEntry(key, text)?.id));
    const isAccountedFor = (id: string): boolean => {
      // Each order leads on to those that followed it, and to those that it was one with.
      const reached = new Set([id]);
      for (const one of reached) {
        if (standing.has(one) || this.#setAside.has(one) || this.#destroyed.has(one)) return true;
        for (const child of children.get(one) ?? []) reached.add(child.id);
        for (const other of this.#merged.get(one) ?? []) reached.add(other);
      }
      return false;
    };
    for (const { id, key, mode } of this.#given.values()) {
      if (!isAccountedFor(id)) problems.push(`${mode} of ${key} vanished`);
      const followers = children.get(id) ?? [];
      // It is one with an order that is not over.
      const isOne = [...this.#merged].some(([other, ids]) => ids.has(id) && !children.has(other));
      if (isOne) continue;
      if (this.#hasLostData && this.#revived.has(id)) continue;
      if (standing.has(id) && followers.some((child) => !this.#destroyed.has(child.id)))
        problems.push(`${mode} of ${key} came back`);
    }
    return problems;
  }
}
