import { Argument, type Command } from 'commander';
import type { SchemaName } from '../../index.js';
import { openOutput } from '../output.js';

export function configure(command: Command): void {
  command
    .addArgument(
      new Argument('<name>', 'which result').choices(['replay', 'verdict', 'schedule', 'compare', 'packets']),
    )
    .option('-o, --output <file>', 'write there instead of standard output')
    .addHelpText('after', '\nExample:\n  dropwindow schema replay > replay.schema.json')
    .action(async (name: string, options: { output?: string }) => {
      const { jsonSchema, jsonText } = await import('../../index.js');
      const output = openOutput(options.output, []);
      await output.write(jsonText(await jsonSchema(name as SchemaName)));
      output.commit();
    });
}
