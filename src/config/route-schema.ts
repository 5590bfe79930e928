/** The schema of the routes in the configuration file: conditions, and where they lead. */

import { type Static, type TSchema, Type } from "@sinclair/typebox";

import { endKeys, profileSchema, removableFilters, useSetting } from "./filter-schema.ts";
import { format, strict, textSetting } from "./schema-kit.ts";

const oneOrMore = <Entry extends TSchema>(entry: Entry, description: string, errorMessage: string) =>
  Type.Union(
    [entry, Type.Array(entry, { minItems: 1, maxItems: 1_000, errorMessage: `${errorMessage}, or a list` })],
    {
      description,
      errorMessage: `${errorMessage}, or a list`,
    },
  );

const host = textSetting(
  "^((\\*\\.)?[A-Za-z\\d_-]+(\\.[A-Za-z\\d_-]+)*|\\[[\\da-fA-F:.]+\\])$",
  "a host name without port, or *.example.com",
  "Host of the request; *.example.com matches all subdomains.",
);

const pathText = textSetting(
  "^/[^\\s?#]*$",
  "a path that starts with /",
  "This path and all below it. {name} is any one segment, a last {name...} the rest; {{ is a brace.",
);

const path = Type.Union(
  [
    pathText,
    Type.Object(
      { exact: textSetting("^/[^\\s?#]*$", "a path that starts with /", "This path alone.") },
      { ...strict, errorMessage: "a map with exact" },
    ),
  ],
  { description: "Path of the request.", errorMessage: "a path that starts with /, or a map with exact" },
);

const valueText = Type.String({ maxLength: 4_096, errorMessage: "a text" });
const value = Type.Union(
  [
    Type.Boolean(),
    valueText,
    Type.Array(valueText, { minItems: 1, maxItems: 256, errorMessage: "a list of texts" }),
  ],
  {
    description: "A text or one of several; true: present; false: absent.",
    errorMessage: "a text, a list of texts, true or false",
  },
);
const values = (description: string) =>
  Type.Record(Type.String({ pattern: "^[^\\s=;,]{1,256}$" }), value, {
    ...strict,
    minProperties: 1,
    maxProperties: 32,
    description,
    errorMessage: "a map of names and texts",
    propertyNames: { errorMessage: "a name without spaces" },
  });

/** READ stands for GET, HEAD and OPTIONS. */
const method = textSetting(
  "^[A-Z][A-Z-]{0,31}$",
  "a method such as GET, or READ",
  "A method; READ is GET, HEAD and OPTIONS.",
);

export const conditionKeys = {
  host: oneOrMore(host, "Host of the request.", "a host name without port, or *.example.com"),
  path,
  method: oneOrMore(method, "Method of the request.", "a method such as GET, or READ"),
  header: values("Header fields of the request, by name."),
  query: values("Parameters of the query, by name."),
  cookie: values("Cookies, by name."),
  client: Type.Array(format("range", "An IP address or CIDR range."), {
    minItems: 1,
    maxItems: 100_000,
    description: "Addresses of clients.",
    errorMessage: "a list of addresses",
  }),
  listen: oneOrMore(
    Type.String({ minLength: 1, maxLength: 63, errorMessage: "the name of a listener" }),
    "Listeners that the request may come to.",
    "the name of a listener",
  ),
} satisfies Record<string, TSchema>;

const optionalKeys = <Keys extends Record<string, TSchema>>(keys: Keys) =>
  Type.Partial(Type.Object(keys)).properties;

export const routeSchema = Type.Object(
  {
    name: Type.Optional(
      textSetting(
        "^[A-Za-z][\\w.-]{0,62}$",
        "a name: at most 63 letters, digits and . _ -, starting with a letter",
        "Name in metrics, records and the access log.",
      ),
    ),
    ...optionalKeys(conditionKeys),
    ...optionalKeys(endKeys),
    use: Type.Optional(useSetting),
    ...removableFilters,
  },
  {
    ...strict,
    description: "Conditions, all of which must hold, and what happens to the requests that meet them.",
    errorMessage: "a map with pool, split, redirect or respond",
  },
);

export type RouteFile = Static<typeof routeSchema>;

/** More routes than that are a mistake. */
const maxRoutes = 100_000;

export const routingKeys = {
  routes: Type.Array(routeSchema, {
    maxItems: maxRoutes,
    description:
      "The route with the most specific host applies, of those the one with the most specific path, of those the first. Requests without a route get 404; without any routes the first pool gets all.",
    errorMessage: "a list of routes",
  }),
  profiles: Type.Record(Type.String({ pattern: "^[A-Za-z][\\w.-]{0,62}$" }), profileSchema, {
    ...strict,
    maxProperties: 256,
    description: "Settings of routes by name, for `use`.",
    errorMessage: "a map of profiles",
    propertyNames: {
      errorMessage: "a name: at most 63 letters, digits and . _ -, starting with a letter",
    },
  }),
  defaults: profileSchema,
  networks: Type.Record(
    Type.String({ pattern: "^[A-Za-z][\\w-]{0,62}$" }),
    Type.Array(format("range", "An IP address or CIDR range."), {
      minItems: 1,
      maxItems: 100_000,
      errorMessage: "a list of addresses",
    }),
    {
      ...strict,
      maxProperties: 256,
      description: "Names for addresses, for allow and deny.",
      errorMessage: "a map of names and addresses",
      propertyNames: { errorMessage: "a name: at most 63 letters, digits, _ and -, starting with a letter" },
    },
  ),
} satisfies Record<string, TSchema>;
