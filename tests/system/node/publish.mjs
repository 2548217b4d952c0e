// A producer that knows nothing of Tipstream but a subject: node publish.mjs URL SUBJECT BODY prints the sequence.
import { connect } from "nats";

const [url, subject, body] = process.argv.slice(2);
const connection = await connect({ servers: url });
const ack = await connection.jetstream().publish(subject, new TextEncoder().encode(body));
console.log(ack.seq);
await connection.drain();
