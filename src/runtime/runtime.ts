/** The seam between this program and Bun or Deno: only types, so that every floor may name them. */

/** Answers one request; `clientAddress` is the peer's IP address. */
export type WebHandler = (request: Request, clientAddress: string) => Response | Promise<Response>;

export interface WebListener {
  readonly port: number;
  /** Takes no new connections; resolves when the open requests are answered. */
  drain(): Promise<void>;
  /** Cuts what is left. */
  close(): void;
}

export interface WebSetting {
  readonly hostname: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly handle: WebHandler;
  /** A WebSocket endpoint that sends every message back; its path. */
  readonly echoPath?: string;
}

export interface HttpProbe {
  readonly url: string;
  readonly timeoutMs: number;
  readonly fields: Readonly<Record<string, string>>;
}

/** Each call rejects with an `Error` that carries the system's `code` (ECONNREFUSED, EADDRINUSE …) where there is one. */
export interface Runtime {
  readonly name: "bun" | "deno";
  readonly version: string;
  /** Serves the admin side, the dashboard and the demo backend; the data planes have listeners of their own. */
  serve(setting: WebSetting): Promise<WebListener>;
  /** Opens a TCP connection and closes it at once; rejects with code ETIMEDOUT after `timeoutMs`. */
  dial(hostname: string, port: number, timeoutMs: number): Promise<void>;
  /** Status of a GET without redirects, proxies or kept connections; rejects with code ETIMEDOUT after `timeoutMs`. */
  probeHttp(probe: HttpProbe): Promise<number>;
  /** The command line that starts this program again, for child processes. */
  readonly selfCommand: readonly string[];
}
