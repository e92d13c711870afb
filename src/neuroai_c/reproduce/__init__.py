"""The toolkit's pages as programs: published numbers beside the obtained ones.

A page is a module with

    TITLE                       its name
    DATA, SAMPLES               what --data is, and what the page trains on, in words
    MODELS                      the titles of its models by name
    EPOCHS, BATCH_SIZE, QUICK   the page's settings; QUICK ends with the epochs of a quick run
    MEASURES, PUBLISHED         what is compared, and the page's numbers
    run(names, epochs, seed, batch_size, data, quick, verbose)
                                (results, ...): what results.json holds, and what write needs
    table(results)              published beside obtained numbers
    write(results, ..., folder) the files; returns their paths

where results["config"] has `epochs` and, for the SAMPLES digits, `train_digits`.
"""

from . import jsb, lateral_inhibition, mnist

PAGES = {"lateral-inhibition": lateral_inhibition, "mnist": mnist, "jsb": jsb}
