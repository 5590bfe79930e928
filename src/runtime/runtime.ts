/** The seam between this program and Bun or Deno: only types, so that every floor may name them. */

/** Answers one request; `clientAddress` is the peer's IP address, IPv4-mapped IPv6 already shortened to IPv4. */
export type WebHandler = (request: Request, clientAddress: string) => Response | Promise<Response>;

export interface WebListener {
  readonly port: number;
  /** Takes no new connections and closes echo sockets (1001); resolves when the open requests are answered. */
  drain(): Promise<void>;
  /** Cuts what is left, and lets a drain that still waits resolve. On Deno a drain once begun is cut by the exit. */
  close(): void;
}

export interface WebOptions {
  readonly hostname: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Bodies come without a limit: whoever reads one bounds it. What this throws is answered with a bare 500. */
  readonly handle: WebHandler;
  /** Hears what `handle` threw. Must not throw. */
  readonly bug?: (error: unknown) => void;
  /** A WebSocket endpoint that sends every message back; its path. Other requests for it go to `handle`. */
  readonly echoPath?: string;
}

export interface HttpProbe {
  readonly url: string;
  readonly timeoutMs: number;
  readonly headers: Readonly<Record<string, string>>;
  /** How an `https` server's certificate is judged; without it by the system's authorities and the URL's host. */
  readonly tls?: {
    /** PEM text of the authorities that are believed instead. */
    readonly ca?: string;
    readonly serverName?: string;
    readonly verify: boolean;
  };
}

/** What is known of this process's memory. */
export interface MemorySense {
  rssBytes(): number;
  /** What its control group may take; undefined without a limit. */
  limitBytes(): number | undefined;
  /** Gives back at once what is not needed any more, as far as the runtime can. Takes a while. */
  collect(): void;
}

/** argon2id, in the PHC string format. */
export interface Passwords {
  hash(password: string): Promise<string>;
  /** Rejects if the hash is none. */
  verify(password: string, hash: string): Promise<boolean>;
}

/** Each call rejects with an `Error` that carries the system's `code` (ECONNREFUSED, EADDRINUSE …) where there is one. */
export interface Runtime {
  readonly name: "bun" | "deno";
  readonly version: string;
  /** Serves the admin side, the dashboard and the demo backend; the data planes have listeners of their own. */
  serve(setting: WebOptions): Promise<WebListener>;
  /** Opens a TCP connection and closes it at once; rejects with code ETIMEDOUT after `timeoutMs`. */
  dial(hostname: string, port: number, timeoutMs: number): Promise<void>;
  /** Status of a GET without redirects, proxies or kept connections; rejects with code ETIMEDOUT after `timeoutMs`. */
  probeHttp(probe: HttpProbe): Promise<number>;
  readonly memory: MemorySense;
  /** Off the thread that serves, where the runtime can. */
  readonly passwords: Passwords;
  /** The command line that starts this program again, for child processes. */
  readonly selfCommand: readonly string[];
  /** What a child process that serves clients finds in its environment. */
  readonly workerEnvironment: Readonly<Record<string, string | undefined>>;
}
