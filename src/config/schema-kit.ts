/** What schemas of the configuration are made of. */

import { type TSchema, Type } from "@sinclair/typebox";
import { format } from "./formats.ts";

/**
 * Beside JSON Schema's own keywords a schema carries `errorMessage`, what it needs, which follows "it needs" in
 * sentences. Editors know the keyword too. Defaults are for them alone: the parser takes them from config.ts.
 */
export const strict = { additionalProperties: false } as const;

export const whole = (minimum: number, maximum: number, description: string) =>
  Type.Integer({
    minimum,
    maximum,
    description,
    errorMessage: `a whole number from ${minimum} to ${maximum}`,
  });

export const word = <Word extends string>(words: readonly Word[], description: string) =>
  Type.Unsafe<Word>(
    Type.String({
      enum: words,
      pattern: `^(${words.join("|")})$`,
      description,
      errorMessage: `one of ${words.join(", ")}`,
    }),
  );

export const textSetting = (pattern: string, errorMessage: string, description: string) =>
  Type.String({ pattern, errorMessage, description });

export const flag = (description: string) => Type.Boolean({ description, errorMessage: "true or false" });

/** Every key may be left out. */
export const optional = <Keys extends Record<string, TSchema>>(keys: Keys, description: string) =>
  Type.Partial(Type.Object(keys), { ...strict, description, errorMessage: "a map" });

export const duration = (description: string) => format("duration", description);

export const share = (description: string) =>
  Type.Number({ minimum: 0, maximum: 1, description, errorMessage: "a number from 0 to 1" });

export const file = (errorMessage: string, description: string) =>
  textSetting("^.*\\S.*$", errorMessage, description);

export const origin = format("origin", "Protocol, host and port: http://10.0.0.1:8080");
export const name = textSetting(
  "^[A-Za-z\\d][\\w.:-]{0,62}$",
  "a name: at most 63 letters, digits and . _ : -, beginning with a letter or digit",
  "How logs, metrics, the API and the dashboard call it; by default its host and port.",
);
