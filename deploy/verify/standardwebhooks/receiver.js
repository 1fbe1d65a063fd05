// A receiver as README's readers write it, with the Standard Webhooks library.
// Standard input holds {id: secret} as JSON; POST /<id> is answered with 204
// where the library accepts the request, else with 401. It prints its port once
// it listens.
const { createServer } = require("node:http");
const { readFileSync } = require("node:fs");
const { Webhook } = require("standardwebhooks");

const secrets = JSON.parse(readFileSync(0, "utf8"));

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  try {
    new Webhook(secrets[request.url.slice(1)]).verify(Buffer.concat(chunks).toString("utf8"), request.headers);
    response.writeHead(204).end();
  } catch (error) {
    response.writeHead(401).end(error.message);
  }
});

server.listen(0, "127.0.0.1", () => console.log(server.address().port));
