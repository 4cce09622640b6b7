// A real OIDC issuer for the tests: oidc-provider, in memory, with the accounts that it is given.
// node provider.mjs NODE_MODULES JSON, where JSON is {client_id, client_secret, redirect_uri, accounts: {LOGIN: CLAIMS}}.
// Prints its address, and ends with its standard input.
import { createServer } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, text] = process.argv.slice(2);
const given = JSON.parse(text);
const { default: Provider } = await import(pathToFileURL(join(modules, "oidc-provider/lib/index.js")).href);

let answer = (_request, response) => response.end();
const server = createServer((request, response) => answer(request, response));
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: given.client_id,
        client_secret: given.client_secret,
        redirect_uris: [given.redirect_uri],
        response_types: ["code"],
        grant_types: ["authorization_code"],
      },
    ],
    pkce: { required: () => true },
    claims: { openid: ["sub", "groups"], email: ["email", "email_verified"], profile: ["preferred_username"] },
    findAccount: (_context, login) => {
      const claims = given.accounts[login];
      return claims && { accountId: login, claims: () => ({ sub: login, ...claims }) };
    },
  });
  answer = provider.callback();
  process.stdout.write(`${issuer}\n`);
});
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
