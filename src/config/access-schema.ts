/** The schema of what decides who is served: addresses, limits and authentication of clients. */

import { type TSchema, Type } from "@sinclair/typebox";

import { choice, duration, file, flag, format, integer, strict, textSetting } from "./schema-kit.ts";

export const listSetting = <Entry extends TSchema>(
  entry: Entry,
  description: string,
  errorMessage: string,
  maxItems = 256,
) => Type.Array(entry, { minItems: 1, maxItems, description, errorMessage });

export const map = <Value extends TSchema>(value: Value, description: string, errorMessage: string) =>
  Type.Record(Type.String(), value, { maxProperties: 64, description, errorMessage });

export const fieldName = textSetting("^[!#$%&'*+.^_`|~\\dA-Za-z-]+$", "a header name", "A header name.");
const addressRange = Type.String({
  minLength: 1,
  maxLength: 64,
  description: "An IP address, a CIDR range, or a name under networks.",
  errorMessage: "an address, a range such as 10.0.0.0/8, or a name under networks",
});
const ranges = (description: string) =>
  listSetting(addressRange, description, "a list of addresses", 100_000);

const rate = textSetting(
  "^0*[1-9]\\d{0,6}/[smhd]$",
  "a rate such as 100/s, 10/m or 5/h",
  "Requests per second (s), minute (m), hour (h) or day (d).",
);

const limitKey = textSetting(
  "^(client|none|user|tls\\.fingerprint|path\\.[A-Za-z_]\\w*|(header|cookie):[!#$%&'*+.^_`|~\\dA-Za-z-]+)$",
  "client, none, user, tls.fingerprint, path.NAME, header:Name or cookie:name",
  "What is limited: client, user, header:Name, cookie:name, path.NAME, tls.fingerprint, or none for one limit of the route.",
);

const oneLimit = Type.Object(
  {
    rate,
    burst: Type.Optional(integer(1, 1_000_000, "Requests at once; by default those of one second.")),
    key: Type.Optional(limitKey),
    name: Type.Optional(
      textSetting(
        "^[A-Za-z][\\w-]{0,62}$",
        "a name of letters, digits, _ and -",
        "Name in RateLimit fields and metrics.",
      ),
    ),
    missing: Type.Optional(
      choice<"client" | "refuse">(
        ["client", "refuse"],
        "Requests without the key: limited by client, or refused.",
      ),
    ),
    ipv6Prefix: Type.Optional(integer(32, 128, "Bits of an IPv6 address that are one client.")),
    maxKeys: Type.Optional(
      integer(16, 1_000_000, "Keys that are remembered; beyond it the key that has most left is forgotten."),
    ),
    headers: Type.Optional(
      choice<"refused" | "always" | "none">(
        ["refused", "always", "none"],
        "Which responses have RateLimit fields.",
      ),
    ),
    dryRun: Type.Optional(flag("Counts, without refusing any.")),
    shared: Type.Optional(
      flag("Whether the balancers of a fleet share the limit. Default: true with a fleet."),
    ),
  },
  { ...strict, description: "A token bucket for each key.", errorMessage: "a map with rate" },
);

const basicAuth = Type.Object(
  {
    realm: Type.Optional(
      textSetting("^[ !#-\\[\\]-~]{1,128}$", "a text without quotes", "Shown by browsers."),
    ),
    users: Type.Optional(
      listSetting(
        Type.Object(
          {
            name: textSetting("^[^:\\x00-\\x1f\\x7f]{1,128}$", "a name without colon", "User name."),
            passwordHash: format(
              "user-hash",
              "An argon2id hash of `evenkeel password`, or a bcrypt hash of `htpasswd -B`.",
            ),
          },
          { ...strict, errorMessage: "a map with name and passwordHash" },
        ),
        "Users.",
        "a list of users",
        1_024,
      ),
    ),
    usersFile: Type.Optional(file("a path", "File of `htpasswd -B`; read at the start and at each reload.")),
    forward: Type.Optional(fieldName),
    keep: Type.Optional(flag("Whether the upstream gets Authorization.")),
  },
  {
    ...strict,
    description: "Asks for a user name and a password.",
    errorMessage: "a map with users or usersFile",
  },
);

const forwardAuth = Type.Object(
  {
    pool: Type.String({
      description: "Pool of the authorization server.",
      errorMessage: "the name of a pool",
    }),
    path: Type.Optional(
      textSetting("^/[^\\s#]{0,2047}$", "a path that starts with /", "Path and query of its request."),
    ),
    host: Type.Optional(choice<"client" | "upstream">(["client", "upstream"], "Host of its request.")),
    send: Type.Optional(
      listSetting(fieldName, "More fields of the client that it gets.", "a list of header names"),
    ),
    copy: Type.Optional(
      listSetting(fieldName, "Fields of its response that the upstream gets.", "a list of header names"),
    ),
    copyToClient: Type.Optional(
      listSetting(fieldName, "Fields of its response that the client gets.", "a list of header names"),
    ),
    timeout: Type.Optional(duration("Time for its response.")),
    maxBody: Type.Optional(format("size", "Size of a response that is sent to the client.")),
  },
  {
    ...strict,
    description: "Asks an authorization server about each request.",
    errorMessage: "a map with pool",
  },
);

export const accessKeys = {
  allow: ranges("Clients that are served; all others get 403."),
  deny: ranges("Clients that get 403."),
  rateLimit: Type.Union(
    [oneLimit, listSetting(oneLimit, "Limits; each must admit a request.", "a list of limits", 8)],
    {
      description: "Limits requests; the others get 429.",
      errorMessage: "a map with rate, or a list of such maps",
    },
  ),
  basicAuth,
  forwardAuth,
} satisfies Record<string, TSchema>;
