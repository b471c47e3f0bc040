#!/bin/bash
# Puts the array and, after it, the table into Slurm's queue. Again: does what is left of the sweep.
set -eu
cd @FOLDER@
job=$(sbatch --parsable --chdir=@SWEEP@ @SWEEP@/array.sbatch)
job=${job%%;*}
table=$(sbatch --parsable --chdir=@SWEEP@ --dependency="afterany:$job" --kill-on-invalid-dep=yes @SWEEP@/report.sbatch)
echo "array $job, then table ${table%%;*}: squeue --me shows them, the table lands in @SWEEP@/sweep.txt"
