/** The shape of the accounts on the admin side: people with passwords, programs with tokens, each with a role. */

import { Type } from "@sinclair/typebox";
import { type Role, roles } from "../access/role.ts";
import { format } from "./formats.ts";
import { strict, textSetting, word } from "./schema-kit.ts";

/** As the audit says it; nothing that would need to be escaped. */
const accountName = textSetting(
  "^[A-Za-z\\d][\\w.@-]{0,63}$",
  "a name: at most 64 letters, digits and . _ @ -, beginning with a letter or digit",
  "What the audit calls it.",
);
const role = word<Role>(roles, "A viewer reads, an operator acts on upstreams, an admin does everything.");

const user = Type.Object(
  { name: accountName, role, passwordHash: format("password-hash", "What `evenkeel password` prints.") },
  { ...strict, description: "Somebody who logs in.", errorMessage: "a map with name, role and passwordHash" },
);
const program = Type.Object(
  {
    name: accountName,
    role,
    tokenHash: textSetting(
      "^sha256:[\\da-f]{64}$",
      "the hash that `evenkeel token` prints, and never the token",
      "What `evenkeel token` prints beside the token.",
    ),
  },
  { ...strict, description: "A program with a token.", errorMessage: "a map with name, role and tokenHash" },
);

/** More people and programs than that do not look after one balancer. */
const maxAccounts = 256;

export const accounts = {
  users: Type.Array(user, {
    maxItems: maxAccounts,
    description: "Who may log in. Changed by a reload too.",
    errorMessage: `a list of at most ${maxAccounts} users`,
  }),
  tokens: Type.Array(program, {
    maxItems: maxAccounts,
    description: "Programs that may call the admin API. Changed by a reload too.",
    errorMessage: `a list of at most ${maxAccounts} tokens`,
  }),
};
