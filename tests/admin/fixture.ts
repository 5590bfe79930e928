/** An admin listener on a real socket with accounts that a test can change; records actors and login events. */

import { Access } from "../../src/access/access.ts";
import type { Accounts } from "../../src/access/accounts.ts";
import type { LoginEvent } from "../../src/access/login-audit.ts";
import type { AdminBackend, AdminOptions } from "../../src/admin/admin-options.ts";
import { startAdmin } from "../../src/admin/admin.ts";
import { adminApp } from "../../src/admin/app.ts";
import type { Control, Actor } from "../../src/control/control.ts";
import type { Snapshot, UpstreamDetail } from "../../src/snapshot/snapshot.ts";
import { digestOf } from "../../src/lib/secrets.ts";
import { Requests } from "../../src/requests/requests.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { AlertStand } from "../support/alerts.ts";
import { routeTable } from "../support/routes.ts";

export const hashOf = (password: string) =>
  Bun.password.hash(password, { algorithm: "argon2id", memoryCost: 64, timeCost: 1 });

/** Each user's password is the name and "'s password"; each program's token is its name and "-token". */
export async function accountsOf(): Promise<Accounts> {
  const user = async (name: string, role: "viewer" | "operator" | "admin") =>
    ({ name, role, passwordHash: await hashOf(`${name}'s password`) }) as const;
  return {
    token: "s3cret",
    users: [await user("vera", "viewer"), await user("otto", "operator"), await user("ada", "admin")],
    tokens: [{ name: "grafana", role: "viewer", tokenHash: `sha256:${digestOf("grafana-token")}` }],
  };
}

const upstream = { id: "a", url: "http://10.0.0.1:80", fit: true } as UpstreamDetail;
const emptySnapshot = { phase: "ready", pools: [] } as unknown as Snapshot;

/** A balancer that accepts every command and records its actor. */
function acceptingBackend(acts: Actor[], snapshot = emptySnapshot): AdminBackend {
  const act = (actor: Actor) => {
    acts.push(actor);
    return undefined;
  };
  const control: Partial<Control> = {
    setMode: (_id, _mode, actor) => act(actor),
    async setWeight(_id, _weight, actor) {
      return act(actor);
    },
    async drain(_id, _order, actor) {
      acts.push(actor);
      return { drained: true, inFlight: 0, undone: false, cut: 0 };
    },
    async add(_pool, _given, actor) {
      acts.push(actor);
      return "a";
    },
    async remove(_id, _waitMs, actor) {
      acts.push(actor);
      return { drained: true, inFlight: 0, undone: false, cut: 0 };
    },
    async reload(_order, by) {
      acts.push({ by, reason: "" });
      return { applied: false, steps: [], needsRestart: [], notes: [] };
    },
    reloadCertificates(by) {
      void act({ by, reason: "" });
      return { changed: [], removed: [], refused: [] };
    },
    injectFault: (_id, _given, actor) => act(actor),
    endFault: (_id, actor) => act(actor),
    events: () => [],
    watch: () => () => {},
    intents: () => [],
    shared: () => Promise.resolve(),
    sharedNote: () => undefined,
    exportYaml: () => "pools: {}\n",
  };
  return {
    phase: "ready",
    snapshot: () => ({ ...snapshot, at: Date.now() }),
    fleet: () => snapshot.fleet,
    metricsText: () => Promise.resolve("evenkeel_up 1\n"),
    control: control as Control,
    requests: new Requests({
      registry: { routes: routeTable([]), entries: [] },
      clock: () => 0,
      wallClock: () => 0,
    }),
    problems: { open: [], closed: [], watch: () => () => {}, dismiss: () => "unknown" },
    routes: () => ({ routes: [], others: null }),
    alerts: new AlertStand([]).dispatcher,
    upstream: (id) => (id === "a" ? upstream : undefined),
    history: ({ window }) => ({ window, from: 0, to: 0, coarsestMs: 0, stepMs: 1_000, series: [] }),
    historyRange: ({ from, to }) => ({ window: null, from, to, coarsestMs: 0, stepMs: 1_000, series: [] }),
  };
}

/** Method and path of every route of the admin API. */
export function routesOfAdmin(): readonly (readonly [method: string, path: string])[] {
  const { passwords } = runtime;
  const access = new Access({ accounts: () => ({}), passwords, clock: () => 0, onLogin: () => {} });
  const app = adminApp(acceptingBackend([]), {}, { access, peerOf: () => "" });
  return app.routes.map(({ method, path }) => [method, path]);
}

export interface AdminResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
  readonly text: string;
}

export interface AdminStand extends Disposable {
  accounts: Accounts;
  readonly port: number;
  readonly acts: Actor[];
  readonly notes: LoginEvent[];
  ask(method: string, path: string, options?: AskOptions): Promise<AdminResponse>;
  /** The bearer of a new session. */
  login(name: string, password?: string): Promise<string>;
}

export interface AskOptions {
  readonly bearer?: string;
  readonly body?: object;
  readonly headers?: Record<string, string>;
}

export interface AdminStandOptions extends Pick<
  AdminOptions,
  "dashboardSecret" | "isTrustedProxy" | "viaName"
> {
  readonly snapshot?: Snapshot;
  readonly port?: number;
  readonly hostname?: string;
}

/** @param port 0 for any free port; a fixed one lets a test restart the listener at the same address, without its sessions */
export async function startAdminStand(
  accounts: Accounts,
  { snapshot = emptySnapshot, port = 0, hostname = "127.0.0.1", ...trust }: AdminStandOptions = {},
): Promise<AdminStand> {
  const [acts, notes]: [Actor[], LoginEvent[]] = [[], []];
  const state = { accounts };
  const listener = await startAdmin(
    {
      hostname,
      port,
      ...trust,
      accounts: () => state.accounts,
      onLogin: (event) => void notes.push(event),
      bug: (error) => {
        throw error;
      },
    },
    acceptingBackend(acts, snapshot),
    runtime,
  );
  const ask: AdminStand["ask"] = async (method, path, { bearer, body, headers = {} } = {}) => {
    const response = await fetch(`http://127.0.0.1:${listener.port}${path}`, {
      method,
      headers: { ...(bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` }), ...headers },
      ...(body && { body: JSON.stringify(body) }),
    });
    // A stream has no end.
    const isStream = response.headers.get("content-type") === "text/event-stream";
    if (isStream) await response.body?.cancel();
    const text = isStream ? "" : await response.text();
    const isJson = /json/.test(response.headers.get("content-type") ?? "");
    const parsed = isJson ? (JSON.parse(text) as Record<string, unknown>) : {};
    return { status: response.status, headers: response.headers, body: parsed, text };
  };
  return {
    get accounts() {
      return state.accounts;
    },
    set accounts(next) {
      state.accounts = next;
    },
    port: listener.port,
    acts,
    notes,
    ask,
    async login(name, password = `${name}'s password`) {
      const { status, body, text } = await ask("POST", "/api/login", { body: { name, password } });
      if (status !== 200) throw new Error(`Cannot log in as ${name}: ${text}`);
      return String(body["session"]);
    },
    [Symbol.dispose]: () => listener.close(),
  };
}
