// Prints what the parser of AsyncAPI finds wrong with a document, one thing a line.
// NODE_PATH says where the parser is.
const { readFileSync } = require('node:fs');
const { Parser } = require('@asyncapi/parser');

const file = process.argv[2];
const [error, warning] = [0, 1];
new Parser().parse(readFileSync(file, 'utf8'), { source: file }).then(({ document, diagnostics }) => {
  const wrong = diagnostics.filter(({ severity }) => severity === error || severity === warning);
  for (const { path, message } of wrong) console.log(`${path.join('.')}: ${message}`);
  process.exitCode = document === undefined || wrong.length > 0 ? 1 : 0;
});
