/** The schema of the listeners in the configuration file. */

import { type Static, type TSchema, Type } from "@sinclair/typebox";

import { type HttpProtocol, httpProtocols } from "./config.ts";
import { tlsForEditors, tlsSettings } from "./listener-tls-schema.ts";
import { choice, duration, flag, format, integer, optional, strict, textSetting } from "./schema-kit.ts";

export const port = integer(0, 65_535, "0 selects a free port.");
const host = format("host", "IP address or host name; 0.0.0.0 and :: mean all addresses.");
export const listener = { host, port };

const redirectStatuses = [301, 302, 307, 308] as const;

const redirect = Type.Union(
  [
    Type.Literal("https"),
    Type.Object(
      {
        to: Type.Literal("https", { errorMessage: "https" }),
        port: Type.Optional(
          integer(1, 65_535, "Port of https; by default that of the only listener with TLS."),
        ),
        status: Type.Optional(
          Type.Union(
            redirectStatuses.map((status) => Type.Literal(status)),
            {
              description: "Status of the redirects; by default 308, and 301 for GET and HEAD.",
              errorMessage: `one of ${redirectStatuses.join(", ")}`,
            },
          ),
        ),
      },
      { ...strict, errorMessage: "a map with to" },
    ),
  ],
  {
    description: "Redirects clients to https, except for routes with redirect: none.",
    errorMessage: "https, or a map with to, port and status",
  },
);

const proxyProtocol = Type.Object(
  {
    from: Type.Array(format("range", "An IP address or CIDR range."), {
      minItems: 1,
      description: "Proxies that begin each connection with a PROXY header.",
      errorMessage: "a list of addresses",
    }),
    timeout: Type.Optional(duration("Time for the header; by default clientTimeouts.head.")),
  },
  {
    ...strict,
    description: "PROXY protocol, versions 1 and 2, from the proxies named here.",
    errorMessage: "a map with from",
  },
);

const unknownHosts = Type.Union([Type.Literal(404), Type.Literal(421), Type.Literal("close")], {
  description:
    "For hosts that no route takes: 404 (no_route, the default), 421, or close the connection without a response.",
  errorMessage: "one of 404, 421, close",
});

const maxClients = integer(1, 1_000_000, "Maximum concurrent client connections; more get 503.");

const clientListener = {
  name: textSetting(
    "^[A-Za-z][\\w.-]{0,62}$",
    "a name: at most 63 letters, digits and . _ -, starting with a letter",
    "Name in logs. Default: main, then listen-2, listen-3 and so on.",
  ),
  ...listener,
  tls: tlsSettings,
  maxClients,
  protocols: Type.Array(choice<HttpProtocol>(httpProtocols, "An HTTP version."), {
    minItems: 1,
    maxItems: httpProtocols.length,
    uniqueItems: true,
    description: "HTTP versions: http1, http2. Without TLS, clients of HTTP/2 need prior knowledge.",
    errorMessage: `a list of ${httpProtocols.join(", ")}`,
  }),
  http3: flag("Experimental: HTTP/3 on the UDP port of the same number; needs TLS."),
  proxyProtocol: Type.Optional(proxyProtocol),
  redirect,
  unknownHosts,
  trustedProxies: Type.Array(format("range", "An IP address or CIDR range."), {
    description:
      "Proxies whose X-Forwarded-* headers are kept here; by default the trustedProxies of all listeners.",
    errorMessage: "a list of addresses",
  }),
};

/** More listeners than that are a mistake. */
const maxListeners = 64;
export const oneListener = optional(clientListener, "Listener for clients.");
const listOf = <Listener extends TSchema>(listener: Listener) =>
  Type.Array(listener, {
    minItems: 1,
    maxItems: maxListeners,
    description: "Listeners for clients.",
    errorMessage: `a list of 1 to ${maxListeners} listeners`,
  });
export const listenerList = listOf(optional(clientListener, "One listener for clients."));

/** For editors. The parser expands `tls: true` before the check. */
const editedListener = { ...clientListener, tls: tlsForEditors };
export const listenerForms = Type.Union(
  [
    optional(editedListener, "Listener for clients."),
    listOf(optional(editedListener, "One listener for clients.")),
  ],
  { description: "One listener for clients, or a list of them." },
);

export type ListenerFile = Static<typeof oneListener>;
