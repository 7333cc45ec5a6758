"""What a run has to say: tables, plots and the HTML report."""
