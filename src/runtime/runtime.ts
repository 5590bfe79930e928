/** The runtime interface that Bun and Deno implement: only types, so that every layer may import them. */

/** A socket that listens; as in `net/`, which this file may not import. */
interface ListeningSocket {
  readonly fd: number;
  readonly port: number;
}

/** Handles one request. `clientAddress` is the IP address of the peer; IPv4-mapped IPv6 is already converted to IPv4. */
export type WebHandler = (request: Request, clientAddress: string) => Response | Promise<Response>;

export interface WebListener {
  readonly port: number;
  /** Accepts no new connections and closes echo sockets with code 1001. Resolves when all open requests are finished. */
  drain(): Promise<void>;
  /** Aborts open requests and resolves a pending drain. On Deno, after a drain has started, only the exit aborts them. */
  close(): void;
}

/** Limits of a listener that must not use up the descriptors of the process. */
export interface WebLimits {
  readonly maxConnections: number;
  /** For a head to arrive completely, milliseconds. */
  readonly headMs: number;
  /** Between two requests of a connection, milliseconds. */
  readonly idleMs: number;
  /** For a request's body to arrive, and for a client to take more of a response, milliseconds. */
  readonly stallMs: number;
}

export interface WebOptions {
  readonly hostname: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Must limit the size of bodies that it reads. If it throws, the client gets a bare 500. */
  readonly handle: WebHandler;
  /** Called with the errors that `handle` throws. Must not throw. */
  readonly bug?: (error: unknown) => void;
  /** Path of a WebSocket endpoint that sends every message back. Other requests to this path go to `handle`. */
  readonly echoPath?: string;
  /** Without limits everybody can open as many connections as the system allows. Not together with `echoPath`. */
  readonly limits?: WebLimits;
}

export interface HttpProbe {
  readonly url: string;
  readonly timeoutMs: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent before the request, and before TLS. */
  readonly greeting?: Uint8Array;
  /** How the certificate is verified; by default with the system's authorities for the host of the URL. */
  readonly tls?: {
    /** PEM text of the trusted authorities, instead of the system's. */
    readonly ca?: string;
    readonly serverName?: string;
    readonly verify: boolean;
    /** PEM texts of the certificate to show, and of its key. */
    readonly clientCertificate?: { readonly cert: string; readonly key: string };
  };
}

/** A request over HTTP/2 on a connection of its own: selected in the TLS handshake, or with prior knowledge for http. */
export interface Http2Request extends HttpProbe {
  /** A POST with this body; without one it is a GET. */
  readonly body?: Buffer;
}

export interface Http2Response {
  readonly status: number;
  /** Fields of the head and of the trailers, by name in lower case. */
  readonly fields: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** Memory readings of this process. */
export interface MemorySense {
  /** Resident memory. */
  rssBytes(): number;
  /** Memory limit of the control group; undefined without a limit. */
  limitBytes(): number | undefined;
  /** Runs the garbage collector synchronously, if the runtime supports it. It is slow. */
  collect(): void;
}

/** argon2id in the PHC string format, and bcrypt to verify. */
export interface Passwords {
  /** argon2id */
  hash(password: string): Promise<string>;
  /** Of a bcrypt hash only the first 72 bytes of the password count. Rejects if `hash` is neither an argon2id nor a bcrypt hash. */
  verify(password: string, hash: string): Promise<boolean>;
}

/** Functions of the system's C library that the runtimes lack. */
export interface SystemCalls {
  /** Another descriptor of the same socket, which children do not inherit; -1 if there is none left. */
  duplicate(fd: number): number;
  /** Makes children not inherit it. */
  protect(fd: number): void;
  /** Makes children inherit it, under the same number. */
  share(fd: number): void;
  /** Calls on it return at once. Holds for all descriptors of the same socket, in other processes too. */
  unblock(fd: number): void;
  close(fd: number): void;
  /** CLOCK_MONOTONIC, microseconds: the clock that the processes of the machine share. */
  monotonicMicros(): number;
  /** Sends one datagram to a Unix socket; a path that begins with "@" is in the abstract namespace. @returns whether it was sent */
  sendDatagram(path: string, text: string): boolean;
}

/** How a child process gets descriptors: by these further entries of its `stdio`, and under these numbers. */
export interface PassedDescriptors {
  readonly stdio: readonly number[];
  readonly numbers: readonly number[];
}

/** Calls reject with an `Error` that has the system's `code` (ECONNREFUSED, EADDRINUSE …), if there is one. */
export interface Runtime {
  readonly name: "bun" | "deno";
  readonly version: string;
  /** Process id of this process. */
  readonly pid: number;
  /** Serves the admin API, the dashboard and the demo backend. Engines have their own listeners. */
  serve(options: WebOptions): Promise<WebListener>;
  /** Opens a TCP connection, sends a greeting if there is one, and closes; rejects with code ETIMEDOUT after `timeoutMs`. */
  dial(hostname: string, port: number, timeoutMs: number, greeting?: Uint8Array): Promise<void>;
  /** Status of a GET on a new connection, without redirects or proxies; rejects with code ETIMEDOUT after `timeoutMs`. */
  probeHttp(probe: HttpProbe): Promise<number>;
  /** The whole response of at most 64 KiB. Rejects as `probeHttp`, and with code no_http2 where another protocol is spoken. */
  requestHttp2(request: Http2Request): Promise<Http2Response>;
  /** Loads a file of extensions, which may import the module "evenkeel". Rejects with the error of the file. */
  importExtension(path: string): Promise<unknown>;
  readonly memory: MemorySense;
  /**
   * Called once, when the process serves. The executable starts with a compiler that waits for longer before it translates code
   * that runs often, because most code of a start runs once: from now on it does not.
   */
  serving(): void;
  /** Undefined where the library cannot be loaded. */
  systemCalls(): SystemCalls | undefined;
  /**
   * Listens on a port without accepting: connections wait for a process that adopts the socket. Where the runtime can, several
   * such sockets share a port. Undefined without system calls. @param port 0 takes any free port
   */
  holdSocket(hostname: string, port: number): Promise<ListeningSocket | undefined>;
  /** Calls `start`, which starts a child process with four entries of `stdio` and these. */
  passDescriptors<T>(descriptors: readonly number[], start: (passed: PassedDescriptors) => T): T;
  /** Runs in another thread, if the runtime supports it. */
  readonly passwords: Passwords;
  /** Whether code that is loaded later is read from files, which may be those of another version by then. */
  readonly readsSources: boolean;
  /** The command line that starts this program again, for child processes. */
  readonly selfCommand: readonly string[];
  /** The same for workers, which have to be of this version whatever is on disk now. */
  readonly workerCommand: readonly string[];
  /** Environment of child processes, without secrets. @param traces whether the child exports spans */
  readonly childEnvironment: (traces: boolean) => Readonly<Record<string, string | undefined>>;
  /** Environment of a process that takes over: that of this one, and what it needs from its start on. */
  readonly successorEnvironment: (
    own: Readonly<Record<string, string | undefined>>,
  ) => Readonly<Record<string, string | undefined>>;
}
