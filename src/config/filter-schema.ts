/** The schema of what a route does with a request, alone and in profiles. */

import { type Static, type TSchema, Type } from "@sinclair/typebox";

import { type ContentCoding, contentCodings } from "../proxy/compression.ts";
import { accessKeys, fieldName, listSetting, map } from "./access-schema.ts";
import {
  age,
  choice,
  duration,
  file,
  flag,
  format,
  integer,
  optional,
  strict,
  textSetting,
} from "./schema-kit.ts";

const statusSetting = (statuses: readonly number[], description: string) =>
  Type.Union(
    statuses.map((status) => Type.Literal(status)),
    { description, errorMessage: `one of ${statuses.join(", ")}` },
  );

/** A field name, or a beginning of one with `*`. */
const fieldPattern = textSetting(
  "^[!#$%&'+.^_`|~\\dA-Za-z-]+\\*?$",
  "a header name, or the beginning of one with *",
  "A header name; with * at its end all names that begin so.",
);
const template = Type.String({
  maxLength: 4_096,
  errorMessage: "a text",
  description: "A text with ${variables}.",
});

const fieldValues = map(template, "Header fields by name.", "a map of header names and texts");

const fieldEdits = (description: string) =>
  optional(
    {
      remove: listSetting(fieldPattern, "Fields that end here.", "a list of header names"),
      set: fieldValues,
      default: fieldValues,
      add: fieldValues,
    },
    description,
  );

const redirectTarget = textSetting(
  "^(/|https?://|\\$\\{)\\S*$",
  "an absolute path or URL",
  "Where to; may contain ${variables}.",
);
const redirect = Type.Union(
  [
    Type.Literal("none"),
    redirectTarget,
    Type.Object(
      {
        to: redirectTarget,
        status: Type.Optional(statusSetting([301, 302, 303, 307, 308], "Status; by default 308.")),
      },
      { ...strict, errorMessage: "a map with to" },
    ),
  ],
  {
    description: "Redirects the client; none: served where a listener redirects other requests to https.",
    errorMessage: "none, an absolute path or URL, or a map with to and status",
  },
);

const respond = Type.Object(
  {
    status: Type.Optional(integer(200, 599, "Status; by default 200.")),
    text: Type.Optional(
      Type.String({ maxLength: 65_536, description: "The body, as text.", errorMessage: "a text" }),
    ),
    json: Type.Optional(Type.Any({ description: "The body, as JSON." })),
    file: Type.Optional(file("a path", "A file with the body, of at most 256 KiB.")),
    retryAfter: Type.Optional(age("Retry-After.")),
  },
  {
    ...strict,
    description: "Answers without an upstream.",
    errorMessage: "a map with status, and text, json or file",
  },
);

const rewrite = optional(
  {
    path: textSetting(
      "^(/|\\$\\{)\\S*$",
      "a path that starts with /",
      "The path for the upstream; may contain ${variables}.",
    ),
    host: textSetting(
      "^\\S{1,253}$",
      "a host name, or upstream",
      "The Host for the upstream; upstream is that of its URL.",
    ),
    query: optional(
      {
        remove: listSetting(
          Type.String({ minLength: 1, maxLength: 256, errorMessage: "a name" }),
          "Parameters that end here.",
          "a list of names",
        ),
        set: map(template, "Parameters by name.", "a map of names and texts"),
      },
      "Changes to the query.",
    ),
  },
  "Changes path, query or host of the upstream's request.",
);

const split = Type.Object(
  {
    pools: map(integer(0, 10_000, "Weight."), "Weights by pool.", "a map of pools and weights"),
    stickBy: Type.Optional(
      textSetting(
        "^(client|none|cookie|(header|cookie):[!#$%&'*+.^_`|~\\dA-Za-z-]+)$",
        "client, cookie, header:Name, cookie:name or none",
        "What keeps a client with a pool: client, header:Name, cookie:name, cookie for one of the balancer's own, or none.",
      ),
    ),
    fallback: Type.Optional(flag("Whether another pool serves where the chosen one has no upstream.")),
  },
  { ...strict, description: "Shares requests among pools by weight.", errorMessage: "a map with pools" },
);

const timeout = (description: string) =>
  Type.Union([duration(description), Type.Literal(0)], {
    description,
    errorMessage: "a duration such as 30s, or 0 for no limit",
  });

const timeouts = optional(
  {
    head: timeout("Time to the response's head."),
    total: timeout("Time to the response's head over all attempts."),
    bodyIdle: timeout("Time between two pieces of the response."),
    tunnelIdle: timeout("Time without a byte in an upgraded connection."),
  },
  "Time limits in place of the pool's.",
);

const compress = Type.Union(
  [
    Type.Boolean(),
    optional(
      {
        types: listSetting(
          textSetting(
            "^[\\w.+-]+/([\\w.+-]+|\\*)$",
            "a media type such as text/html or text/*",
            "A media type.",
          ),
          "Media types.",
          "a list of media types",
        ),
        minSize: format("size", "Smallest body."),
        codings: listSetting(
          choice<ContentCoding>(contentCodings, "A content coding."),
          "In the order of preference.",
          `a list of ${contentCodings.join(", ")}`,
        ),
        level: integer(1, 11, "Effort; by default a fast one of each coding."),
      },
      "Compresses responses.",
    ),
  ],
  {
    description: "Compresses responses for clients that accept it; off by default.",
    errorMessage: "true, false or a map",
  },
);

const cors = Type.Object(
  {
    origins: listSetting(
      textSetting(
        "^(\\*|https?://(\\*\\.)?[A-Za-z\\d._-]+(:\\d{1,5})?|null)$",
        "an origin such as https://app.example.com, or *",
        "An origin; https://*.example.com for all below; * for every one.",
      ),
      "Origins that may read responses.",
      "a list of origins",
    ),
    methods: Type.Optional(
      listSetting(
        textSetting("^[A-Z]{1,32}$", "a method", "A method."),
        "Methods beside GET, HEAD and POST.",
        "a list of methods",
      ),
    ),
    headers: Type.Optional(listSetting(fieldName, "Request fields.", "a list of header names")),
    expose: Type.Optional(
      listSetting(fieldName, "Response fields that scripts may read.", "a list of header names"),
    ),
    credentials: Type.Optional(flag("Whether cookies and logins are sent.")),
    maxAge: Type.Optional(age("How long browsers remember a preflight.")),
  },
  { ...strict, description: "Cross-origin requests (Fetch standard).", errorMessage: "a map with origins" },
);

const errorPages = Type.Record(
  Type.String({ pattern: "^([45]\\d\\d|[45]xx)$" }),
  file("a path", "HTML file of at most 256 KiB; ${status}, ${reason} and ${requestId} are replaced."),
  {
    ...strict,
    maxProperties: 64,
    description: 'Pages for the balancer\'s own errors, by status or by class such as "5xx".',
    errorMessage: "a map of statuses and files",
    propertyNames: { errorMessage: 'a status such as "404", or "4xx" or "5xx"' },
  },
);

const extensionName = textSetting("^[A-Za-z]\\w{0,62}$", "the name of a filter of an extension", "A filter.");
const filters = listSetting(
  Type.Union(
    [
      extensionName,
      Type.Record(Type.String({ pattern: "^[A-Za-z]\\w{0,62}$" }), Type.Any(), {
        ...strict,
        minProperties: 1,
        maxProperties: 1,
        errorMessage: "a map of one name and its settings",
      }),
    ],
    {
      description: "A name, or a name and settings.",
      errorMessage: "a name, or a map of one name and its settings",
    },
  ),
  "Filters of extensions, in turn, after authentication.",
  "a list of names of filters",
  32,
);

/** What may stand in a route and in a profile alike. */
export const filterKeys = {
  ...accessKeys,
  cors,
  stripPrefix: Type.Union([Type.Boolean(), textSetting("^/[^\\s?#]*$", "a path", "The part that is cut.")], {
    description: "Cuts the path of the route, or this beginning of it, before the request is sent.",
    errorMessage: "true, or a path that starts with /",
  }),
  addPrefix: textSetting("^/[^\\s?#]*$", "a path that starts with /", "Put in front of the path."),
  rewrite,
  requestHeaders: fieldEdits("Changes to the request's header fields."),
  responseHeaders: fieldEdits("Changes to the response's header fields."),
  maxRequestBody: format("size", "Largest request body; larger ones get 413."),
  timeouts,
  retries: integer(0, 2, "Further attempts."),
  hedge: flag("False: no second, concurrent attempt."),
  compress,
  errorPages,
  filters,
} satisfies Record<string, TSchema>;

export type FilterKey = keyof typeof filterKeys;

/** The ends of a route: exactly one of them. */
export const endKeys = {
  pool: Type.String({ description: "Pool for matching requests.", errorMessage: "the name of a pool" }),
  split,
  redirect,
  respond,
} satisfies Record<string, TSchema>;

const profileName = textSetting("^[A-Za-z][\\w.-]{0,62}$", "the name of a profile", "A profile.");
export const useSetting = Type.Union(
  [profileName, listSetting(profileName, "Profiles in turn.", "a list of profiles", 16)],
  {
    description: "Profiles whose settings apply, the later ones first; none: not even the defaults.",
    errorMessage: "the name of a profile, or a list of names",
  },
);

/** With `null`, which removes what a profile or the defaults have set. */
const removable = <Setting extends TSchema>(setting: Setting) =>
  Type.Optional(
    Type.Union([setting, Type.Null()], {
      description: setting.description ?? "",
      errorMessage: setting["errorMessage"],
    }),
  );

type Removable = { [Key in FilterKey]: ReturnType<typeof removable<(typeof filterKeys)[Key]>> };

export const removableFilters = Object.fromEntries(
  Object.entries(filterKeys).map(([key, setting]) => [key, removable(setting)]),
) as Removable;

export const profileSchema = Type.Object(
  { use: Type.Optional(useSetting), ...removableFilters },
  { ...strict, description: "Settings of routes.", errorMessage: "a map" },
);

export type ProfileFile = Static<typeof profileSchema>;

type FilterFiles = { [Key in FilterKey]: Static<(typeof filterKeys)[Key]> };

/** What a route does with a request, after profiles and defaults are merged into it. */
export type FilterSettings = Readonly<Partial<FilterFiles>>;
